"""Tests of l2l_tf/rules/saved_model.py."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import saved_model


def _variables(*values):
    return [tf.Variable(value) for value in values]


_VALUES = ([[1.0, 2.0]], 3.0, np.float64([4.0]))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    saved_model.write(folder, _variables(*_VALUES), {})
    return folder


def test_what_was_written_is_read(saved):
    found = _variables(*(np.zeros_like(value) for value in _VALUES))
    found[1] = tf.Variable(0.0)
    found[0] = tf.Variable([[0.0, 0.0]])
    saved_model.read(saved, found)
    for variable, value in zip(found, _VALUES, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    "values",
    [
        ([[1.0, 2.0]], 3.0),
        (*_VALUES, 5.0),
        ([[1.0], [2.0]], *_VALUES[1:]),
        ([1.0, 2.0], *_VALUES[1:]),
        (*_VALUES[:2], [4.0]),
        (),
    ],
    ids=str,
)
def test_other_names_shapes_and_types_are_refused(saved, values):
    variables = _variables(*values)
    before = [variable.numpy() for variable in variables]
    with pytest.raises(ValueError, match="holds other weights.*expected") as e:
        saved_model.read(saved, variables)
    assert "\n" not in str(e.value)
    assert "weights/0 ('float32', [1, 2])" in str(e.value)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_the_graph_is_not_read(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "saved_model.pb").write_bytes(b"no graph at all")
    variables = _variables([[0.0, 0.0]], 0.0, np.float64([0.0]))
    saved_model.read(copy, variables)
    assert float(variables[1]) == 3.0


@pytest.mark.parametrize("damage", ["index", "data", "empty", "none"])
def test_what_is_no_checkpoint_is_refused(saved, tmp_path, damage):
    copy = shutil.copytree(saved, tmp_path / "copy")
    files = {
        "index": copy / "variables" / "variables.index",
        "data": copy / "variables" / "variables.data-00000-of-00001",
    }
    if damage == "none":
        shutil.rmtree(copy)
    elif damage == "empty":
        files["index"].write_bytes(b"")
    else:
        content = bytearray(files[damage].read_bytes())
        for index in range(0, len(content), 7):
            content[index] ^= 0xFF
        files[damage].write_bytes(content)
    variables = _variables([[0.0, 0.0]], 0.0, np.float64([0.0]))
    with pytest.raises(ValueError, match="cannot be read|damaged") as error:
        saved_model.read(copy, variables)
    assert "\n" not in str(error.value)
    assert float(tf.reduce_sum(tf.abs(variables[0]))) == 0.0

"""Tests of l2l_tf/keras_optimizers/registration.py."""

import subprocess
import sys

import keras
import pytest

import l2l_tf
from l2l_tf.keras_optimizers import registration


def _run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_importing_the_package_imports_no_tensorflow():
    program = """
import sys
import l2l_tf
print(*[name for name in ("keras", "tensorflow") if name in sys.modules])
"""
    assert _run(program) == []


@pytest.mark.parametrize("order", ["l2l_tf, keras", "keras, l2l_tf"])
def test_importing_the_package_is_enough_for_a_file(order, tmp_path):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    optimizer = l2l_tf.LearnedOptimizer({".*": "digits"}, fallback="adam")
    model.compile(optimizer, "mse")
    model.save(tmp_path / "model.keras")
    program = f"""
import sys
import {order}
model = keras.models.load_model(sys.argv[1])
print(type(model.optimizer).__name__, model.optimizer.fallback.name)
"""
    found = _run(program, str(tmp_path / "model.keras"))
    assert found == ["LearnedOptimizer", optimizer.fallback.name]


def test_what_is_registered_stays():
    registration.register()
    found = keras.saving.get_registered_object("l2l_tf>LearnedOptimizer")
    assert found is l2l_tf.LearnedOptimizer

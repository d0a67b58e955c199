"""Tests of l2l_tf/rules/learned/outputs.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import outputs


def _values(dtype="float64"):
    return [
        tf.random.stateless_normal(shape, [1, index], dtype=dtype)
        * 10.0 ** (index - 1)
        for index, shape in enumerate([[4, 3], [], [5]])
    ]


def test_raw_values_are_updates():
    values = _values()
    for update, value in zip(outputs.Raw()(values), values, strict=True):
        assert update is value


def test_rms_gives_each_tensor_its_size():
    values = _values()
    updates = outputs.RMS(size=0.5, epsilon=1e-20)(values)
    for update, value in zip(updates, values, strict=True):
        size = np.sqrt(np.mean(np.square(value)))
        np.testing.assert_allclose(update, 0.5 * value / size, rtol=1e-12)


def test_rms_is_one_by_default():
    for update in outputs.RMS()(_values()):
        assert np.mean(np.square(update)) == pytest.approx(1.0, rel=1e-6)


def test_clip_limits_the_norm_of_all_together():
    values = _values()
    norm = float(tf.linalg.global_norm(values))
    for factor in (0.1, 0.999, 1.001, 10.0):
        updates = outputs.Clip(factor * norm)(values)
        for update, value in zip(updates, values, strict=True):
            np.testing.assert_allclose(
                update, min(1.0, factor) * value, rtol=1e-12
            )


@pytest.mark.parametrize("name", outputs.OUTPUTS.names())
def test_zeros_give_zeros_and_finite_derivatives(name):
    values = [tf.zeros([3]), tf.zeros([])]
    with tf.GradientTape() as tape:
        tape.watch(values)
        updates = outputs.OUTPUTS.build(name)(values)
    for update, derivative in zip(
        updates, tape.gradient(updates, values), strict=True
    ):
        np.testing.assert_array_equal(update, tf.zeros_like(update))
        assert np.all(np.isfinite(derivative))


@pytest.mark.parametrize("name", outputs.OUTPUTS.names())
def test_only_the_identity_need_not_be_recorded(name):
    function = outputs.OUTPUTS.build(name)
    values = _values()
    is_identity = all(
        np.array_equal(update, value)
        for update, value in zip(function(values), values, strict=True)
    )
    assert is_identity is not function.is_recorded


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nope", {}, "outputs 'nope'; accepted: clip, raw, rms"),
        ("raw", {"a": 1}, r"\['a'\] for outputs 'raw'"),
        ("rms", {"size": -1}, "size.*-1"),
        ("clip", {"max_norm": "a"}, "max_norm.*'a'"),
    ],
)
def test_bad_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        outputs.OUTPUTS.build(name, **options)

"""Tests of l2l_tf/core/compilation.py."""

import keras
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.core import compilation

_IMAGE = tf.TensorSpec([2, 8, 8, 4])


def _graph(function):
    return tf.function(function).get_concrete_function(_IMAGE).graph


def _grouped():
    return keras.layers.Conv2D(4, 3, groups=2)


@pytest.mark.parametrize(
    "make_layer",
    [
        lambda: snt.Conv2D(3, 3),
        lambda: snt.Conv2DTranspose(3, 3),
        lambda: snt.DepthwiseConv2D(3),
        lambda: snt.BatchApply(snt.Conv1D(3, 3)),
        lambda: keras.layers.Conv2D(3, 3),
        lambda: keras.layers.Conv2DTranspose(3, 3),
        lambda: keras.layers.DepthwiseConv2D(3),
        lambda: keras.layers.SeparableConv2D(3, 3),
        _grouped,
    ],
)
def test_convolutions_on_a_cpu_are_left_to_the_plain_graph(make_layer):
    layer = make_layer()
    layer(tf.zeros(_IMAGE.shape))

    def on_cpu(image):
        with tf.device("CPU"):
            return layer(image)

    assert not compilation.favours_xla(_graph(on_cpu))
    # Inside a function, or a loop, as well.
    assert not compilation.favours_xla(_graph(tf.function(on_cpu)))


def test_convolutions_on_a_gpu_are_compiled():
    layer = snt.Conv2D(3, 3)
    layer(tf.zeros(_IMAGE.shape))

    def on_gpu(image):
        with tf.device("GPU:0"):
            return layer(image)

    assert compilation.favours_xla(_graph(on_gpu))


def test_without_a_device_it_is_the_machines():
    layer = snt.Conv2D(3, 3)
    layer(tf.zeros(_IMAGE.shape))
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    assert compilation.favours_xla(_graph(layer)) == has_gpu


def test_everything_else_is_compiled():
    layer = snt.nets.MLP([3, 4])
    layer(tf.zeros([2, 8 * 8 * 4]))
    assert compilation.favours_xla(
        _graph(lambda image: layer(tf.reshape(image, [2, -1])))
    )


def test_refusals_of_xla_are_explained():
    @tf.function(jit_compile=True)
    def refused():
        return tf.py_function(lambda: 1.0, [], tf.float32)

    with pytest.raises(
        compilation.CompilationError, match="jit_compile=False.*PyFunc"
    ):
        with compilation.explained(True):
            refused()
    with pytest.raises(compilation.StepError, match="PyFunc") as error:
        with compilation.explained(False):
            refused()
    assert isinstance(error.value.__cause__, tf.errors.InvalidArgumentError)


def _raise_key_error():
    raise KeyError("mine")


def _assert_small(x):
    tf.debugging.assert_less(x, 0.0, message="x must be small")
    return x


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (_assert_small, r"assertion failed: \[x must be small\]"),
        (
            lambda x: tf.py_function(_raise_key_error, [], tf.float32),
            "KeyError: 'mine' .UnknownError",
        ),
        (
            lambda x: tf.gather([1.0], tf.cast(x, tf.int32)),
            r"indices = 7 is not in \[0, 1\) \(InvalidArgumentError",
        ),
    ],
)
def test_a_step_that_fails_is_told_in_one_sentence(step, said):
    function = tf.function(step, autograph=False)
    with pytest.raises(compilation.StepError, match=f"in a step: {said}") as e:
        with compilation.explained(False):
            function(tf.constant(7.0))
    assert "\n" not in str(e.value) and "node" not in str(e.value)


@pytest.mark.parametrize(
    "message",
    [
        "Graph execution error:\n\nDetected at node 'a' defined at (most "
        'recent call last):\n  File "a.py", line 1, in f\n\nx is 3:\n\t '
        "[[{{node a}}]]",
        "Graph execution error:\n\n2 root error(s) found.\n  (0) INVALID_"
        "ARGUMENT:  x is 3\n\t [[{{node a}}]]\n0 successful operations.",
    ],
)
def test_the_graphs_own_lines_are_left_out(message):
    with pytest.raises(compilation.StepError) as raised:
        with compilation.explained(False):
            raise tf.errors.AbortedError(None, None, message)
    assert str(raised.value) == (
        "The problem, or the rule, fails in a step: x is 3 (AbortedError)."
    )

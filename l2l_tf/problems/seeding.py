"""Random operations of foreign code, drawn from a seed that is a tensor.

TensorFlow's own random functions (`tf.random.normal`, `tf.nn.dropout`) draw
from a hidden state, and so do the modules and initializers that call them: no
run could be repeated. Here each such operation is replaced, while its graph is
built, by its stateless counterpart with a seed of its own.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

# Every operation that is put into a graph passes here, whoever puts it there:
# functions of TensorFlow would have to be replaced one by one in each place
# that imports them, and for all threads at once.
from tensorflow.python.framework import op_callbacks

from l2l_tf.core import randomness

_STATELESS: dict[str, Callable[..., tf.Tensor]] = {
    "RandomStandardNormal": lambda shape, *, seed, dtype: (
        tf.random.stateless_normal(shape, seed, dtype=dtype)
    ),
    "TruncatedNormal": lambda shape, *, seed, dtype: (
        tf.random.stateless_truncated_normal(shape, seed, dtype=dtype)
    ),
    "RandomUniform": lambda shape, *, seed, dtype: tf.random.stateless_uniform(
        shape, seed, dtype=dtype
    ),
    "RandomUniformInt": lambda shape, low, high, *, seed, dtype: (
        tf.random.stateless_uniform(shape, seed, low, high, dtype)
    ),
    "RandomShuffle": lambda value, *, seed, dtype: (
        tf.random.experimental.stateless_shuffle(value, seed)
    ),
    "Multinomial": lambda logits, num_samples, *, seed, dtype: (
        tf.random.stateless_categorical(logits, num_samples, seed, dtype)
    ),
}

_REFUSED = (
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoisson",
    "RandomPoissonV2",
    # Of a tf.random.Generator.
    "RngReadAndSkip",
    "RngSkip",
)


def seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function whose random operations draw from its first argument.

    Args:
        function: A function of tensors that may call TensorFlow's random
            functions. What it draws by other means (NumPy, or stateless
            functions with seeds of its own) is left as it is.

    Returns:
        The function with a seed, int32 of shape [2], before its arguments;
        equal seeds give equal results. It raises a ValueError if the function
        draws in a way that cannot be replaced: from a `tf.random.Generator`,
        or inside a loop, whose iterations would all draw the same.
    """

    def call(seed, *args):
        with _replacing(seed):
            return function(*args)

    traced = tf.function(call, autograph=False)

    def choose(seed, *args):
        # Operations are replaced in graphs only.
        return (traced if tf.executing_eagerly() else call)(seed, *args)

    return choose


@contextlib.contextmanager
def _replacing(seed: tf.Tensor) -> Iterator[None]:
    numbers = itertools.count()
    whole = tf.constant(0).graph

    def replace(op_type, inputs, attrs, outputs, op_name=None, graph=None):
        del attrs, op_name
        stateless = _STATELESS.get(op_type)
        if stateless is None and op_type not in _REFUSED:
            return outputs
        if stateless is None or graph is not whole:
            raise ValueError(
                f"A run cannot repeat what TensorFlow's {op_type} draws here; "
                "accepted are tf.random.normal, truncated_normal, uniform, "
                "shuffle and categorical, tf.nn.dropout and what is made of "
                "these, such as Sonnet's initializers, outside of tf.function, "
                "tf.cond and tf.while_loop."
            )
        own = randomness.fold_in(seed, next(numbers))
        # What it replaces is left without a use, hence never run.
        return [stateless(*inputs, seed=own, dtype=outputs[0].dtype)]

    op_callbacks.add_op_callback(replace)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(replace)

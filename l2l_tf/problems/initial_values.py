"""Stateless initial values for the parameters of networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness

InitialValues = str | float | Sequence[float]
"""How to draw a network's theta_0.

`"module"` draws as the network's own initializers would (those of Sonnet's
layers: Gaussian of 1 / sqrt(fan-in), cut at two deviations; zero biases). A
number draws all parameters from a Gaussian of that standard deviation (the
paper's start is 0.01); a pair [low, high] first draws the deviation
log-uniformly between the two, once for each run. `"glorot_uniform"` draws
weights as Keras's layers would and leaves all other parameters as they are.
"""

Draw = Callable[[Sequence[int], tf.DType, tf.Tensor], tf.Tensor]


def redraw(
    kind: InitialValues,
    names: Sequence[str],
    values: Sequence[tf.Tensor],
    seed: tf.Tensor,
) -> list[tf.Tensor]:
    """Draws the parameters of a network for one run.

    Args:
        kind: See `InitialValues`.
        names: The parameters' names; weights are those that Sonnet calls
            `w`, alone or with something behind, such as `lstm/w_i`.
        values: The parameters as the network's own initializers drew them.
        seed: A seed, int32 of shape [2].

    Returns:
        One tensor for each parameter.
    """
    check(kind)
    if kind == "module":
        return list(values)
    is_glorot = kind == "glorot_uniform"
    draw = _glorot_uniform if is_glorot else _gaussian(kind, seed)
    weights = _Stream(randomness.stream(seed, "weights"))
    biases = _Stream(randomness.stream(seed, "biases"))
    params = []
    for name, value in zip(names, values, strict=True):
        is_weight = _is_weight(name, value)
        if is_glorot and not is_weight:
            params.append(value)
        else:
            own = (weights if is_weight else biases).next()
            params.append(draw(value.shape, value.dtype, own))
    return params


def check(kind: InitialValues) -> InitialValues:
    """Returns the value if it is accepted; otherwise raises a ValueError."""
    if isinstance(kind, str) and kind in ("module", "glorot_uniform"):
        return kind
    try:
        if isinstance(kind, (list, tuple)) and len(kind) == 2:
            low = checks.number("", kind[0], minimum=0.0, above=True)
            checks.number("", kind[1], minimum=low)
        else:
            checks.number("", kind, minimum=0.0)
        return kind
    except ValueError:
        pass
    raise ValueError(
        f"Unknown initial values {kind!r}; accepted: a standard deviation "
        "such as 0.01, a range of them such as [0.01, 0.1], 'module' or "
        "'glorot_uniform'."
    )


class _Stream:
    """Seeds, one after the other."""

    def __init__(self, seed: tf.Tensor):
        self._seed = seed
        self._count = 0

    def next(self) -> tf.Tensor:
        self._count += 1
        return randomness.fold_in(self._seed, self._count - 1)


def _is_weight(name: str, value: tf.Tensor) -> bool:
    last = name.rsplit("/", 1)[-1]
    return value.shape.rank >= 2 and (last == "w" or last.startswith("w_"))


def _gaussian(kind: float | Sequence[float], seed: tf.Tensor) -> Draw:
    if isinstance(kind, (int, float)):
        std = tf.constant(kind, tf.float32)
    else:
        low, high = (math.log(bound) for bound in kind)
        exponent = tf.random.stateless_uniform(
            [], randomness.stream(seed, "std"), low, high
        )
        std = tf.exp(exponent)

    def draw(shape, dtype, seed):
        normal = tf.random.stateless_normal(shape, seed, dtype=dtype)
        return tf.cast(std, dtype) * normal

    return draw


def _glorot_uniform(shape, dtype, seed):
    receptive = math.prod(shape[:-2])
    limit = math.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
    return tf.random.stateless_uniform(shape, seed, -limit, limit, dtype)

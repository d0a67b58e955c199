"""The loss of each step, from where Keras leaves it to who wants it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import keras
import tensorflow as tf

_EXPLODED = 10  # times the first loss, above it


def pass_on() -> None:
    """Lets optimizers inside of others see losses, too.

    Keras tells the loss to the optimizer of a model only, and puts a
    `LossScaleOptimizer` around that with `mixed_float16`, which leaves out
    steps whose gradients are not finite.
    """
    for wrapper in (
        keras.optimizers.LossScaleOptimizer,
        keras.optimizers.MultiOptimizer,
    ):
        wrapper.scale_loss = _telling(wrapper.scale_loss, _tell_before)
        wrapper.apply = _telling(wrapper.apply, _tell_after)


def _telling(method, tell):
    if hasattr(method, "tells"):
        return method

    @functools.wraps(method)
    def telling(self, *args, **kwargs):
        call = functools.partial(method, self)
        return tell(call, list(_inside(self)), *args, **kwargs)

    telling.tells = True
    return telling


def _inside(optimizer) -> Iterator[keras.optimizers.Optimizer]:
    """Yields the optimizers inside, at any depth, that want to be told."""
    inner = [getattr(optimizer, "inner_optimizer", None)]
    for one in (*inner, *getattr(optimizer, "_inner_optimizers", [])):
        if hasattr(one, "take_note"):
            yield one
        elif one is not None:
            yield from _inside(one)


def _tell_before(scale_loss, optimizers, loss):
    for optimizer in optimizers:
        optimizer.take_note(loss)
    return scale_loss(loss)


def _tell_after(apply, optimizers, *args, **kwargs):
    apply(*args, **kwargs)
    for optimizer in optimizers:
        optimizer.settle()


def follow(record: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Takes one more loss into account.

    Args:
        record: The first loss, a running mean of the last ones, and their
            number; zeros at first.
        loss: The loss of this step.
    """
    first, mean, count = tf.unstack(record)
    first = tf.where(count > 0, first, loss)
    rate = tf.maximum(0.1, 1 / (count + 1))
    return tf.stack([first, mean + rate * (loss - mean), count + 1])


def warning(record) -> str | None:
    """Returns what is wrong with losses that are not what they should be."""
    first, mean, count = (float(number) for number in record)
    if count == 0 or mean <= first + _EXPLODED * abs(first):
        return None
    return (
        f"The loss went from {first:.4g} to {mean:.4g} on average: the learned "
        "rule does not fit this problem. Pass fallback='adam', or train with "
        "another optimizer."
    )

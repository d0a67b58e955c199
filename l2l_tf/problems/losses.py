"""Losses by name, and the accuracy of classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from l2l_tf.core import registry

Measure = Callable[[Any, Any], tf.Tensor]
"""Maps a network's outputs and the targets to a scalar."""

LOSSES: registry.Registry[Measure] = registry.Registry(
    "loss", "l2l_tf.problems"
)
ACCURACIES: registry.Registry[Measure] = registry.Registry(
    "accuracy", "l2l_tf.problems"
)
"""By the name of the loss that it is reported beside."""


@LOSSES.register("sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    outputs: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Mean cross-entropy of logits and class numbers.

    Args:
        outputs: Logits, shape [..., classes].
        targets: Class numbers, integers of shape [...].

    Returns:
        A scalar.
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
    )


@LOSSES.register("categorical_crossentropy")
def categorical_crossentropy(
    outputs: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Mean cross-entropy of logits and probabilities, [..., classes] both."""
    targets = tf.cast(targets, outputs.dtype)
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(targets, outputs)
    )


@LOSSES.register("binary_crossentropy")
def binary_crossentropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy of logits and probabilities of single events.

    Args:
        outputs: Logits, shape [batch, ...].
        targets: Probabilities or truth values of that shape; a last axis of 1
            may be missing in one of the two.

    Returns:
        A scalar.
    """
    targets = tf.cast(align(targets, outputs), outputs.dtype)
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs)
    )


@LOSSES.register("mean_squared_error")
def mean_squared_error(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean of squared differences, shapes as in `binary_crossentropy`."""
    targets = tf.cast(align(targets, outputs), outputs.dtype)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets))


@ACCURACIES.register("sparse_categorical_crossentropy")
def sparse_categorical_accuracy(
    outputs: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Share of examples whose greatest output is that of their class."""
    predicted = tf.argmax(outputs, axis=-1)
    targets = tf.reshape(tf.cast(targets, predicted.dtype), predicted.shape)
    return _share(predicted == targets)


@ACCURACIES.register("categorical_crossentropy")
def categorical_accuracy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Share of examples whose greatest output is where the target's is."""
    return _share(tf.argmax(outputs, axis=-1) == tf.argmax(targets, axis=-1))


@ACCURACIES.register("binary_crossentropy")
def binary_accuracy(
    outputs: tf.Tensor, targets: tf.Tensor, threshold: float = 0.0
) -> tf.Tensor:
    """Share of outputs on the target's side of a threshold.

    Args:
        outputs: Logits, or with a threshold of 0.5 probabilities.
        targets: Probabilities or truth values.
        threshold: What an output is above if it says yes.

    Returns:
        A scalar.
    """
    targets = tf.cast(align(targets, outputs), outputs.dtype)
    return _share((outputs > threshold) == (targets > 0.5))


def get(loss: str | Measure) -> Measure:
    """Returns a loss by its name; a function is returned as it is.

    Raises:
        ValueError: If it is neither.
    """
    return loss if callable(loss) else LOSSES.get(loss)


def title(loss: str | Measure) -> str:
    """Returns what a loss is called."""
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)


def default_metrics(loss: str | Measure) -> dict[str, Measure]:
    """Returns what to report beside a loss: the accuracy, if there is one."""
    if not isinstance(loss, str) or loss not in ACCURACIES:
        return {}
    return {"accuracy": ACCURACIES.get(loss)}


def align(targets: Any, outputs: Any) -> Any:
    """Gives targets the last axis of 1 that outputs have, or takes it away.

    As Keras's `fit` does, which would otherwise compare all with all.
    """
    if not (tf.is_tensor(targets) and tf.is_tensor(outputs)):
        return targets
    if outputs.shape[-1] == 1 and outputs.shape.rank == targets.shape.rank + 1:
        return targets[..., tf.newaxis]
    if (
        targets.shape[-1:] == [1]
        and targets.shape.rank == outputs.shape.rank + 1
    ):
        return targets[..., 0]
    return targets


def _share(is_right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(is_right, tf.float32))

"""Nests of tensors that a user's own code returns: looked at, and described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from l2l_tf.core import failures

_NOT_DENSE = (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)


def trace(what: str, function: Callable[[], Any]) -> Any:
    """Returns what a function does, which is traced and not run.

    Args:
        what: Whose function it is, to begin the message with.
        function: The function.

    Raises:
        ValueError: If that fails, as with a condition on tensors.
    """
    results = []
    traced = tf.function(lambda: results.append(function()), autograph=False)
    with failures.explained(f"{what} cannot be evaluated"):
        traced.get_concrete_function()
    return results[-1]


def is_dense(value: Any) -> bool:
    """Whether a value is a tensor, or a variable of TensorFlow's own."""
    return (
        tf.is_tensor(value)
        and not isinstance(value, _NOT_DENSE)
        # A variable of Keras has the name of its type.
        and isinstance(value.dtype, tf.DType)
    )


def is_floating(value: Any) -> bool:
    """Whether a value is a dense tensor of a floating point type."""
    return is_dense(value) and value.dtype.is_floating


def spec(value: Any) -> tf.TensorSpec | None:
    """Returns the shape and type of what is a tensor, or can be made one."""
    if isinstance(value, tf.TensorSpec):
        return value
    try:
        if not tf.is_tensor(value):
            value = tf.convert_to_tensor(value)
    except (ValueError, TypeError, AttributeError):
        return None
    return tf.TensorSpec(value.shape, value.dtype) if is_dense(value) else None


def fits(old: tf.TensorSpec | None, new: tf.TensorSpec | None) -> bool:
    """Whether one tensor can take the place of another, in a loop."""
    if old is None or new is None or old.dtype != new.dtype:
        return False
    if old.shape.rank is None:
        return True
    return old.shape.rank == new.shape.rank and all(
        a is None or a == b for a, b in zip(old.shape, new.shape, strict=True)
    )


def check_same(
    what: str, before: Any, after: Any, step: str = "a step"
) -> None:
    """Refuses what changes structure, shapes or types from step to step.

    Args:
        what: What it is, to begin the message with.
        before: The nest before a step.
        after: The nest afterwards.
        step: What changes it.

    Raises:
        ValueError: If the two differ, or hold something else than tensors.
    """
    try:
        tf.nest.assert_same_structure(before, after)
        is_same = all(
            fits(spec(old), spec(new))
            for old, new in zip(
                tf.nest.flatten(before), tf.nest.flatten(after), strict=True
            )
        )
    except (ValueError, TypeError):
        is_same = False
    if not is_same:
        raise ValueError(
            f"{what} must be dense tensors that keep their structure, shapes "
            f"and types; received {said(before)}, and {said(after)} after "
            f"{step}."
        )


def said(value: Any) -> str:
    """Describes a nest, its tensors by their shapes and types."""

    def describe(leaf):
        if isinstance(leaf, tf.TensorSpec) or is_dense(leaf):
            return _Words(f"{leaf.dtype.name} of shape {leaf.shape}")
        if tf.is_tensor(leaf):
            kind = f"{type(leaf).__module__.split('.')[0]}'s"
            return _Words(f"{kind} {type(leaf).__name__} of shape {leaf.shape}")
        return leaf

    try:
        return repr(tf.nest.map_structure(describe, value))
    except (ValueError, TypeError):
        return repr(value)


class _Words(str):
    """Text that is not quoted."""

    __repr__ = str.__str__

"""Checks, with numbers, what a columnwise rule says about its columns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base

_NUM_COLUMNS = 7
# Sizes of the inputs, step by step: some couplings begin beyond a threshold.
_SIZES = (1.0, 100.0, 0.01)
_KEPT = (5, 2)  # Neither the first ones, nor in order, nor symmetric.
_NOISE = 0.1
# What part of the sum of absolute terms the largest gradient is at least, if
# they do not cancel.
_CANCELLED = 1e-2


def check_columns(rule: Any) -> None:
    """Refuses a rule whose columns depend on each other, or on their places.

    A few columns make a few steps with random inputs: as they are, with other
    numbers in some columns, and with these left out. Then `replay_columns` is
    compared with automatic differentiation.

    Args:
        rule: A `ColumnwiseRule` that declares `independent_columns`.

    Raises:
        ValueError: If a claim is wrong; it quotes the numbers.
    """
    rows = rule.arrangement.rows
    sizes = tf.reshape(tf.constant(_SIZES, rule.dtype), [-1, 1, 1])
    features = rows * rule.inputs.num_features
    inputs, others = (sizes * _draw(features, seed, rule) for seed in (0, 1))
    cotangents = _draw(rows, 2, rule)
    state = rule.initial_columns(_NUM_COLUMNS)
    _check_state(rule, state)
    is_kept = tf.reduce_any(tf.range(_NUM_COLUMNS) == [[k] for k in _KEPT], 0)
    with _noise(rule.trainable_variables):
        together = _keep(_run(rule, inputs, state))
        changed = _run(rule, tf.where(is_kept, inputs, others), state)
        alone = _run(rule, _keep(inputs), _keep(state))
        replayed = rule.replay_columns(inputs, state, cotangents)
        exact = _differentiate(rule, inputs, state, cotangents)
    for what, actual in (
        ("other numbers in other columns", _keep(changed)),
        ("other columns left out", alone),
    ):
        _compare(
            together,
            actual,
            f"{type(rule).__name__} declares independent_columns, but with "
            f"{what} its values or state are off by {{off}} where {{size}} is "
            "the largest; compute each column from that column alone, or set "
            "independent_columns = False, with which all coordinates are "
            "replayed together.",
        )
    _compare(
        exact,
        replayed,
        f"{type(rule).__name__}.replay_columns is off by {{off}} where the "
        "largest gradient is {size} by automatic differentiation of "
        "update_columns; correct it, or leave it out, with which "
        "update_columns is differentiated.",
    )


def check_replay(rule: Any) -> None:
    """Refuses a rule whose replay is not the derivative of its call.

    A few steps on example parameters, with all that stands before and after
    the columns: inputs, outputs, and what a subclass makes of them.

    Args:
        rule: A `ColumnwiseRule`.

    Raises:
        ValueError: If they differ; it quotes the numbers.
    """
    params = [tf.cast(param, rule.dtype) for param in rule.example_params()]
    gradients, cotangents = (
        [
            tf.random.stateless_normal(
                [len(_SIZES), *param.shape], [index, kind], dtype=rule.dtype
            )
            for index, param in enumerate(params)
        ]
        for kind in (3, 4)
    )
    state = rule.initial_state(params)
    with _noise(rule.trainable_variables):
        records, last, terms = [], state, []
        for step in range(len(_SIZES)):
            updates, last, record = rule.record(
                [g[step] for g in gradients], last
            )
            records.append(record)
            pairs = zip(updates, cotangents, strict=True)
            terms += [update * c[step] for update, c in pairs]
        replayed = rule.replay(
            gradients,
            tf.nest.map_structure(lambda *steps: tf.stack(steps), *records),
            state,
            cotangents,
            base.ReplayOptions(jit_compile=False),
        )
        exact = base.replay_steps(
            rule, rule.trainable_variables, gradients, state, cotangents
        )
    # Where all coordinates are summed, more is lost by rounding; all of a
    # gradient is, where the terms of the meta-loss nearly cancel.
    summed = sum(float(tf.reduce_sum(tf.abs(term))) for term in terms)
    _compare(
        exact,
        replayed,
        f"The replay of {type(rule).__name__} is off by {{off}} where the "
        "largest gradient is {size} by automatic differentiation of its "
        "call; override update_columns rather than __call__, keep weights out "
        "of inputs and outputs, or train with meta_gradient='autodiff'.",
        rounding=1e3,
        least=_CANCELLED * summed,
    )


def _draw(rows: int, seed: int, rule: Any) -> tf.Tensor:
    shape = [len(_SIZES), rows, _NUM_COLUMNS]
    return tf.random.stateless_normal(shape, [seed, 0], dtype=rule.dtype)


def _check_state(rule: Any, state: base.State) -> None:
    for tensor in tf.nest.flatten(state):
        if tuple(tensor.shape)[-1:] != (_NUM_COLUMNS,):
            raise ValueError(
                f"{type(rule).__name__} declares independent_columns, but its "
                f"state for {_NUM_COLUMNS} columns holds a tensor of shape "
                f"{tuple(tensor.shape)}; give each tensor columns along its "
                "last axis, or set independent_columns = False."
            )


@contextlib.contextmanager
def _noise(variables: Sequence[tf.Variable]) -> Iterator[None]:
    """Moves weights a little: those that start at zero would hide others."""
    values = [tf.identity(variable) for variable in variables]
    try:
        for index, variable in enumerate(variables):
            noise = tf.random.stateless_normal(
                variable.shape, [index, 1], dtype=variable.dtype
            )
            variable.assign_add(_NOISE * noise)
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _run(rule: Any, inputs: tf.Tensor, state: base.State) -> list[tf.Tensor]:
    """Returns the values of each step, and the state after all."""
    values = []
    for step in range(len(_SIZES)):
        value, state = rule.update_columns(inputs[step], state)
        values.append(value)
    return [*values, *tf.nest.flatten(state)]


def _keep(nest: Any) -> Any:
    """Returns some of the columns."""
    return tf.nest.map_structure(
        lambda tensor: tf.gather(tensor, _KEPT, axis=-1), nest
    )


def _differentiate(
    rule: Any, inputs: tf.Tensor, state: base.State, cotangents: tf.Tensor
) -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
        values = _run(rule, inputs, state)[: len(_SIZES)]
        total = tf.reduce_sum(tf.stack(values) * cotangents)
    return tape.gradient(
        total,
        rule.trainable_variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def _compare(
    expected: Sequence[tf.Tensor],
    actual: Sequence[tf.Tensor],
    message: str,
    rounding: float = 1.0,
    least: float = 0.0,
) -> None:
    """Raises an error with a message if a tensor is off by more than rounding.

    Args:
        expected: Some tensors.
        actual: Others, which should be equal.
        message: What is wrong if not, with places for `off` and `size`.
        rounding: How many rounding units of the largest number of all tensors
            may be lost anywhere.
        least: What the largest number is taken for where it is smaller.
    """
    # For example 3e-4 in float32.
    epsilon = _epsilon(expected[0].dtype) if expected else 0.0
    sizes = [_largest(tensor) for tensor in expected]
    found = []
    for a, b, size in zip(expected, actual, sizes, strict=True):
        off = _largest(tf.cast(a, tf.float64) - tf.cast(b, tf.float64))
        # A tensor may be small because larger numbers cancel in it.
        limit = epsilon**0.5 * size + rounding * epsilon * max(least, *sizes)
        if not off <= limit:  # Or NaN.
            found.append((off / max(limit, 1e-300), off, size))
    if found:
        _, off, size = max(found)
        raise ValueError(message.format(off=f"{off:.3g}", size=f"{size:.3g}"))


def _largest(tensor: tf.Tensor) -> float:
    return float(tf.reduce_max(tf.abs(tf.cast(tensor, tf.float64))))


def _epsilon(dtype: tf.DType) -> float:
    """Returns a type's rounding unit: what is lost in 3 (4 / 3 - 1) - 1."""
    third = tf.constant(4 / 3, dtype) - tf.constant(1, dtype)
    return abs(float(third * tf.constant(3, dtype) - tf.constant(1, dtype)))

"""Compares what was written with what was to be written."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules.learned import columns
from l2l_tf.saving import loading
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import weights

_NUM_STEPS = 3
_NUM_COLUMNS = 7
# For rules that do not say which shapes they take.
_SHAPES = ([3, 4], [5], [], [2, 3, 4], [3, 3, 2, 2])

_Step = Callable[[list[tf.Tensor], Any], tuple[list[tf.Tensor], Any]]


def check(
    rule: base.UpdateRule, folder: pathlib.Path, parameter_names: Sequence[str]
) -> None:
    """Loads a rule that was just saved, and compares the two.

    The loaded rule gives the same bits; the SavedModel's own functions, where
    it has any, give the same updates up to rounding.

    Args:
        rule: The rule that was saved.
        folder: The folder.
        parameter_names: Names of the optimizee's parameters, for a routed
            rule.

    Raises:
        SavedOptimizerError: If the folder cannot be loaded or gives other
            updates.
    """
    loaded, _ = loading.load_once(folder, parameter_names)
    if loaded.config() != json.loads(json.dumps(rule.config())):
        raise metadata_lib.SavedOptimizerError(
            "The rule is not saved, since another one is built from its "
            f"configuration: {rule.config()} became {loaded.config()}."
        )
    for (ours, part_folder), (theirs, _) in zip(
        weights.parts(rule, folder), weights.parts(loaded, folder), strict=True
    ):
        _check_part(ours, theirs, part_folder)


def _check_part(
    ours: base.UpdateRule, theirs: base.UpdateRule, folder: pathlib.Path
) -> None:
    for own, other in zip(
        ours.trainable_variables, theirs.trainable_variables, strict=True
    ):
        _compare(own, other, 0.0, ours)
    if isinstance(ours, columns.ColumnwiseRule):
        rows, dtype = ours.arrangement.rows, ours.dtype
        gradients = [
            [_gradient([rows, _NUM_COLUMNS], dtype, step)]
            for step in range(_NUM_STEPS)
        ]
        states = [rule.initial_columns(_NUM_COLUMNS) for rule in (ours, theirs)]
        steps = [_columns_step(ours), _columns_step(theirs)]
        updates = _run(steps[0], states[0], gradients)
        _compare(updates, _run(steps[1], states[1], gradients), 0.0, ours)
        _compare(
            updates,
            _run_saved_model(folder, rows, gradients),
            64 * np.finfo(dtype.as_numpy_dtype).eps,
            ours,
        )
        return
    for shape in _SHAPES:
        params = [tf.zeros(shape)]
        try:
            state = ours.initial_state(params)
        except ValueError:
            continue  # A shape that is not for this rule.
        gradients = [
            [_gradient(shape, tf.float32, step)] for step in range(_NUM_STEPS)
        ]
        updates = _run(ours, state, gradients)
        others = _run(theirs, theirs.initial_state(params), gradients)
        _compare(updates, others, 0.0, ours)


def _columns_step(rule: columns.ColumnwiseRule) -> _Step:
    def step(gradients, state):
        updates, state = rule.update_columns(gradients[0], state)
        return [updates], state

    return step


def _run(
    step: _Step, state: Any, gradients: Sequence[list[tf.Tensor]]
) -> list[tf.Tensor]:
    found = []
    for gradient in gradients:
        updates, state = step(gradient, state)
        found += updates
    return found


def _run_saved_model(
    folder: pathlib.Path, rows: int, gradients: Sequence[list[tf.Tensor]]
) -> list[tf.Tensor]:
    module = tf.saved_model.load(str(folder))

    def step(gradients, state):
        matrix = gradients[0][0] if rows == 1 else gradients[0]
        updates, state = module.update(matrix, state)
        return [tf.reshape(updates, gradients[0].shape)], state

    state = module.initial_state(tf.constant(_NUM_COLUMNS))
    return _run(step, state, gradients)


def _gradient(shape: Sequence[int], dtype: tf.DType, step: int) -> tf.Tensor:
    """Returns a gradient over many decades, with a zero in it."""
    draw = np.random.RandomState(step)
    decades = 10.0 ** draw.randint(-6, 3, shape)
    gradient = np.asarray(draw.standard_normal(shape) * decades)
    gradient.flat[0] = 0.0
    return tf.cast(gradient, dtype)


def _compare(ours: Any, theirs: Any, tolerance: float, rule: base.UpdateRule):
    """Refuses tensors that differ, relative to the largest number."""
    for own, other in zip(
        tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True
    ):
        own, other = np.asarray(own, np.float64), np.asarray(other, np.float64)
        scale = np.max(np.abs(own), initial=0.0, where=np.isfinite(own))
        if not np.allclose(own, other, 0.0, tolerance * scale, equal_nan=True):
            difference = np.max(np.abs(own - other))
            raise metadata_lib.SavedOptimizerError(
                f"The rule is not saved, since what is loaded differs from it "
                f"by {difference:.3g}: {rule.config()}."
            )

"""Compares what was written with what was to be written."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import files
from l2l_tf.rules import base
from l2l_tf.saving import loading
from l2l_tf.saving import metadata as metadata_lib

_NUM_STEPS = 3
_NUM_COLUMNS = 7

_Step = Callable[[list[tf.Tensor], Any], tuple[list[tf.Tensor], Any]]


def check(rule: base.UpdateRule, folder: pathlib.Path) -> None:
    """Loads a rule that was just saved, and compares the two.

    The loaded rule gives the same bits; the SavedModel's own functions, where
    it has any, give the same updates up to rounding.

    Args:
        rule: The rule that was saved.
        folder: The folder.

    Raises:
        SavedOptimizerError: If the folder cannot be loaded or gives other
            updates.
    """
    loaded, _ = loading.load_once(folder)
    if files.plain(loaded.config()) != files.plain(rule.config()):
        raise metadata_lib.SavedOptimizerError(
            "The rule is not saved, since another one is built from its "
            f"configuration: {rule.config()} became {loaded.config()}."
        )
    for (ours, part_folder), (theirs, _) in zip(
        rule.saved_parts(folder), loaded.saved_parts(folder), strict=True
    ):
        _compare(ours.trainable_variables, theirs.trainable_variables, 0, ours)
        _compare_updates(ours, theirs)
        _compare_functions(ours, part_folder)


def _compare_updates(ours: base.UpdateRule, theirs: base.UpdateRule) -> None:
    params = ours.example_params()
    try:
        state = ours.initial_state(params)
    except ValueError:
        # A rule for other shapes that does not say which by overriding
        # `example_params`. Its weights were compared; there are no gradients
        # of unknown shapes to compare updates on.
        return
    gradients = [
        [
            _gradient(param.shape, param.dtype, 10 * step + index)
            for index, param in enumerate(params)
        ]
        for step in range(_NUM_STEPS)
    ]
    others = _run(theirs, theirs.initial_state(params), gradients)
    _compare(_run(ours, state, gradients), others, 0, ours)


def _compare_functions(rule: base.UpdateRule, folder: pathlib.Path) -> None:
    """Compares what TensorFlow alone runs with the rule's own code."""
    functions = rule.functions()
    if not functions:
        return
    # This process has just written it.
    module = tf.saved_model.load(str(folder))
    spec = functions["update"].input_signature[0]
    shape = [_NUM_COLUMNS if size is None else size for size in spec.shape]
    gradients = [
        [_gradient(shape, spec.dtype, step)] for step in range(_NUM_STEPS)
    ]
    found = []
    initial_state = functions["initial_state"].python_function
    for update in (functions["update"].python_function, module.update):
        state = initial_state(tf.constant(_NUM_COLUMNS))
        found.append(_run(_single(update), state, gradients))
    unit = np.finfo(spec.dtype.as_numpy_dtype).eps
    _compare(*found, 64 * float(unit), rule)


def _single(update: Callable[..., tuple[tf.Tensor, Any]]) -> _Step:
    def step(gradients, state):
        updates, state = update(gradients[0], state)
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


def _gradient(shape: Sequence[int], dtype: tf.DType, step: int) -> tf.Tensor:
    """Returns a gradient over many decades, with a zero in it."""
    draw = np.random.RandomState(step)
    decades = 10.0 ** draw.randint(-6, 3, shape)
    gradient = np.asarray(draw.standard_normal(shape) * decades)
    gradient.flat[0] = 0.0
    return tf.cast(gradient, dtype)


def _compare(ours: Any, theirs: Any, tolerance: float, rule: base.UpdateRule):
    """Refuses tensors that differ, relative to the largest number."""
    for own, other in zip(list(ours), list(theirs), strict=True):
        own, other = np.asarray(own, np.float64), np.asarray(other, np.float64)
        scale = np.max(np.abs(own), initial=0.0, where=np.isfinite(own))
        if not np.allclose(own, other, 0.0, tolerance * scale, equal_nan=True):
            difference = np.max(np.abs(own - other))
            raise metadata_lib.SavedOptimizerError(
                f"The rule is not saved, since what is loaded differs from it "
                f"by {difference:.3g}: {rule.config()}."
            )

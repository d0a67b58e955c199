"""A rule's weights in a SavedModel: written, and read without its graph."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checkpoints


def write(
    folder: str | os.PathLike,
    variables: Sequence[tf.Variable],
    functions: Mapping[str, Callable[..., Any]],
) -> None:
    """Writes a SavedModel with a list `weights` and some functions.

    Args:
        folder: Where to.
        variables: The weights.
        functions: Functions made by `tf.function` with an input signature, by
            the name to call them by.
    """
    module = tf.Module()
    module.weights = list(variables)
    for name, function in functions.items():
        setattr(module, name, function)
    tf.saved_model.save(module, os.fspath(folder))


def read(folder: str | os.PathLike, variables: Sequence[tf.Variable]) -> None:
    """Assigns weights that `write` wrote.

    A SavedModel is a program that could do anything; its weights are numbers
    in files of their own. Only those are read, and only where names, shapes
    and types are the variables'.

    Args:
        folder: The folder.
        variables: What to assign, in the order in which they were written.

    Raises:
        ValueError: If the folder holds other weights, or none.
    """
    prefix = pathlib.Path(folder, "variables", "variables")
    expected = {
        f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE": variable
        for index, variable in enumerate(variables)
    }
    try:
        values = checkpoints.read(prefix)
    except OSError as error:
        raise ValueError(f"{prefix} cannot be read as weights.") from error
    found = {
        name: (value.dtype.name, list(value.shape))
        for name, value in values.items()
    }
    wanted = {
        name: (variable.dtype.name, variable.shape.as_list())
        for name, variable in expected.items()
    }
    if found != wanted:
        raise ValueError(
            f"{prefix} holds other weights than the rule has: "
            f"{_listed(found)}, but {_listed(wanted)} are expected."
        )
    for name, variable in expected.items():
        variable.assign(values[name])


def flat_functions(rule: Any) -> dict[str, Callable[..., Any]]:
    """Returns a rule's functions for one flat parameter of any length.

    Args:
        rule: An `UpdateRule`.

    Returns:
        `initial_state(num_coordinates)` and `update(gradients, state)`, or
        nothing where the rule needs to know the length, or reads variables
        that are not saved with it.
    """
    dtypes = {variable.dtype for variable in rule.trainable_variables}
    dtype = dtypes.pop() if len(dtypes) == 1 else tf.float32

    def update(gradients, state):
        [updates], state = rule([gradients], state)
        return updates, state

    initial_state = tf.function(
        lambda num_coordinates: rule.initial_state(
            [tf.zeros([num_coordinates], dtype)]
        ),
        input_signature=[tf.TensorSpec([], tf.int32, "num_coordinates")],
        autograph=False,
    )
    saved = {variable.ref() for variable in rule.trainable_variables}
    # What a rule of the user's own raises can be anything.
    try:
        first = initial_state.get_concrete_function()
        state = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
            first.structured_outputs,
        )
        update = tf.function(
            update,
            input_signature=[tf.TensorSpec([None], dtype, "gradients"), state],
            autograph=False,
        )
        step = update.get_concrete_function()
        _, after = step.structured_outputs
        tf.nest.assert_same_structure(state, after)
        read = [*first.variables, *step.variables]
    except Exception:
        return {}
    if not {variable.ref() for variable in read} <= saved:
        return {}
    return {"initial_state": initial_state, "update": update}


def _listed(weights: Mapping[str, tuple[str, list[int]]]) -> str:
    shown = sorted(f"{name.split('/.')[0]} {w}" for name, w in weights.items())
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")

"""A rule's weights in a folder: written as a SavedModel, read as numbers."""

from __future__ import annotations

import pathlib

import tensorflow as tf

from l2l_tf.core import checkpoints
from l2l_tf.rules import base
from l2l_tf.rules import routed
from l2l_tf.rules.learned import columns


def save(rule: base.UpdateRule, folder: pathlib.Path) -> None:
    """Writes a rule's weights, and what runs it with TensorFlow alone.

    A columnwise rule gets the functions `initial_state` and `update`, for any
    number of columns; each of a routed rule's parts gets a folder of its own.

    Args:
        rule: The rule.
        folder: An empty folder.
    """
    for part, part_folder in parts(rule, folder):
        module = tf.Module()
        module.weights = list(part.trainable_variables)
        if isinstance(part, columns.ColumnwiseRule):
            _add_functions(module, part)
        tf.saved_model.save(module, str(part_folder))


def restore(rule: base.UpdateRule, folder: pathlib.Path) -> None:
    """Gives a rule the weights that `save` wrote.

    Only numbers are read: nothing in the folder is run.

    Args:
        rule: The rule, which is changed.
        folder: The folder.

    Raises:
        ValueError: If the weights in it are those of another rule.
        OSError: If it cannot be read.
    """
    for part, part_folder in parts(rule, folder):
        found = checkpoints.read(part_folder / "variables" / "variables")
        variables = part.trainable_variables
        names = [
            f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE"
            for index in range(len(variables))
        ]
        if set(names) != set(found):
            raise ValueError(
                f"{part_folder} holds the weights {sorted(found)[:5]}; this "
                f"rule has {len(names)}, {names[:1]} and so on."
            )
        for name, variable in zip(names, variables, strict=True):
            value = found[name]
            dtype = tf.as_dtype(value.dtype)
            if variable.shape != value.shape or variable.dtype != dtype:
                raise ValueError(
                    f"{part_folder} holds {name!r} of shape {value.shape} and "
                    f"type {dtype.name}; this rule's has shape "
                    f"{variable.shape} and type {variable.dtype.name}."
                )
            variable.assign(value)


def parts(
    rule: base.UpdateRule, folder: pathlib.Path
) -> list[tuple[base.UpdateRule, pathlib.Path]]:
    """Returns what has weights in a rule, and where these lie in its folder."""
    if not isinstance(rule, routed.Routed):
        return [(rule, folder)] if rule.trainable_variables else []
    return [
        found
        for index, part in enumerate(rule.rules.values())
        for found in parts(part, folder / "routes" / str(index))
    ]


def _add_functions(module: tf.Module, rule: columns.ColumnwiseRule) -> None:
    rows = rule.arrangement.rows
    state = tf.nest.map_structure(
        lambda t: tf.TensorSpec([t.shape[0], None], t.dtype),
        rule.initial_columns(1),
    )

    def update(gradients, state):
        matrix = tf.reshape(gradients, [rows, -1])
        updates, state = rule.update_columns(matrix, state)
        return tf.reshape(updates, tf.shape(gradients)), state

    shape = [None] if rows == 1 else [rows, None]
    module.initial_state = tf.function(
        lambda num_columns: rule.initial_columns(num_columns),
        input_signature=[tf.TensorSpec([], tf.int32, "num_columns")],
    )
    module.update = tf.function(
        update,
        input_signature=[tf.TensorSpec(shape, rule.dtype, "gradients"), state],
    )

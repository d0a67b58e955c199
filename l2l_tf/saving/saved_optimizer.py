"""Trained rules as SavedModels: export, verification and loading.

Loading needs TensorFlow alone. A folder holds the SavedModel, with functions
`initial_state` and `update` for any number of columns, and `metadata.json`;
a routed rule holds one such folder for each of its learned rules.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed
from l2l_tf.rules.learned import columns
from l2l_tf.saving import graph_check
from l2l_tf.saving import metadata as metadata_lib


def check_target(path: str | os.PathLike, overwrite: bool) -> None:
    """Refuses to export where something would be lost.

    Args:
        path: The folder to write.
        overwrite: Whether a saved optimizer in its place is replaced.

    Raises:
        FileExistsError: If something is in its place that is to be kept.
    """
    target = pathlib.Path(path).expanduser()
    if target.exists() and not overwrite:
        raise FileExistsError(
            f"{target} exists; remove it, choose another path, or overwrite."
        )
    if target.exists() and not _is_replaceable(target):
        raise FileExistsError(
            f"{target} is not a saved optimizer and is not overwritten; "
            "choose another path."
        )


def export(
    rule: base.UpdateRule,
    path: str | os.PathLike,
    metadata: Mapping[str, Any],
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes a rule as a SavedModel with metadata, all or nothing.

    Args:
        rule: A learned rule, or a routed one.
        path: The folder to write.
        metadata: What to keep beside the rule's own configuration; must be
            representable in JSON.
        overwrite: Whether an existing folder is replaced.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder exists and is not to be replaced.
    """
    target = pathlib.Path(path).expanduser()
    check_target(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)
    )
    try:
        temporary.chmod(0o755)
        _save(rule, temporary)
        metadata_lib.write(temporary, {"rule": rule.config(), **metadata})
        _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def load(
    path: str | os.PathLike, parameter_names: Sequence[str] = ()
) -> base.UpdateRule:
    """Loads a rule that gives the same updates as the one exported.

    Args:
        path: A name or a path, see `l2l_tf.saving.metadata.find`.
        parameter_names: Names of the optimizee's parameters; only a routed
            rule needs them.

    Returns:
        The rule.

    Raises:
        SavedOptimizerError: If it is missing, damaged or not to be trusted.
    """
    folder = metadata_lib.find(path)
    return _load(folder, metadata_lib.read(folder)["rule"], parameter_names)


class RestoredRule(columns.ColumnwiseRule):
    """A learned rule that runs the functions of a SavedModel."""

    def __init__(self, folder: pathlib.Path, config: Mapping[str, Any]):
        """Loads the SavedModel, if it does nothing but arithmetic."""
        super().__init__(columns.make_arrangement(config), config["dtype"])
        try:
            graph_check.check(folder)
        except ValueError as error:
            raise metadata_lib.SavedOptimizerError(str(error)) from error
        self._config_json = json.dumps(dict(config))
        self._module = _load_outside_strategies(folder)
        self.weights = self._module.weights

    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """See base class."""
        return self._module.initial_state(tf.cast(num_columns, tf.int32))

    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """See base class."""
        flat = self.arrangement.rows == 1
        if flat:
            gradients = gradients[0]
        updates, state = self._module.update(gradients, list(state))
        return (updates[tf.newaxis] if flat else updates), state

    def config(self) -> dict[str, Any]:
        """See base class."""
        return json.loads(self._config_json)


def _save(rule: base.UpdateRule, folder: pathlib.Path) -> None:
    if isinstance(rule, routed.Routed):
        for index, part in enumerate(rule.rules.values()):
            if not isinstance(part, hand_designed.HandDesignedRule):
                _save(part, _route_folder(folder, index))
        return
    if not isinstance(rule, columns.ColumnwiseRule):
        raise ValueError(
            f"Only learned rules are exported; received {rule.config()}."
        )
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
    module = tf.Module()
    module.weights = list(rule.trainable_variables)
    module.initial_state = tf.function(
        lambda num_columns: rule.initial_columns(num_columns),
        input_signature=[tf.TensorSpec([], tf.int32, "num_columns")],
    )
    module.update = tf.function(
        update,
        input_signature=[tf.TensorSpec(shape, rule.dtype, "gradients"), state],
    )
    tf.saved_model.save(module, str(folder))


def _load(
    folder: pathlib.Path,
    config: Mapping[str, Any],
    parameter_names: Sequence[str],
) -> base.UpdateRule:
    name = config["rule"]
    if name == "routed":
        rules = {
            pattern: _load(_route_folder(folder, index), part, ())
            for index, (pattern, part) in enumerate(config["routes"].items())
        }
        return routed.Routed(rules, parameter_names)
    if name in hand_designed.RULES:
        options = {k: v for k, v in config.items() if k != "rule"}
        return hand_designed.RULES[name](**options)
    return RestoredRule(folder, config)


def _load_outside_strategies(folder: pathlib.Path) -> tf.Module:
    """Loads a SavedModel whose functions run in any context.

    Loaded in a `tf.distribute` strategy's scope, it could be called by no
    replica. A scope belongs to the thread that entered it.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(tf.saved_model.load, str(folder)).result()


def _route_folder(folder: pathlib.Path, index: int) -> pathlib.Path:
    return folder / "routes" / str(index)


def _is_replaceable(target: pathlib.Path) -> bool:
    """Returns whether overwriting a path loses a saved optimizer at most."""
    return target.is_dir() and (
        (target / metadata_lib.METADATA).is_file() or not any(target.iterdir())
    )


def _replace(source: pathlib.Path, target: pathlib.Path) -> None:
    """Puts a folder in another's place; the old one is gone last."""
    if not target.exists():
        os.rename(source, target)
        return
    old = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent)
    )
    os.rename(target, old / target.name)
    os.rename(source, target)
    shutil.rmtree(old)

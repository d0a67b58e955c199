"""Trained rules as SavedModels: export, verification and loading.

Loading needs TensorFlow alone. A folder holds the SavedModel, with functions
`initial_state` and `update` for any number of columns, and `metadata.json`;
a routed rule holds one such folder for each of its learned rules.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf import files
from l2l_tf import graph_check
from l2l_tf.rules import base
from l2l_tf.rules import columns
from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed

METADATA = "metadata.json"
FORMAT_VERSION = 1

_HERE = pathlib.Path(__file__).resolve().parent
# Installed, the bundled optimizers lie inside the package; in a checkout,
# beside it.
_BUNDLED = (_HERE / "saved_optimizers", _HERE.parent / "saved_optimizers")


class SavedOptimizerError(ValueError):
    """A saved optimizer is missing, damaged or not to be trusted."""


def bundled_names() -> list[str]:
    """Returns the names of the optimizers that come with the package."""
    return sorted(
        {
            path.parent.name
            for folder in _BUNDLED
            for path in folder.glob(f"*/{METADATA}")
        }
    )


def find(optimizer: str | os.PathLike) -> pathlib.Path:
    """Returns the folder of a saved optimizer.

    Args:
        optimizer: The name of a bundled optimizer, or a path.

    Raises:
        SavedOptimizerError: If there is none.
    """
    candidates = [pathlib.Path(optimizer).expanduser()]
    candidates += [folder / optimizer for folder in _BUNDLED]
    for path in candidates:
        if (path / METADATA).is_file():
            return path
    raise SavedOptimizerError(
        f"No saved optimizer {str(optimizer)!r}; accepted: the name of a "
        f"bundled one, {bundled_names()}, or the path of a folder that "
        f"training or scripts/export.py wrote (it holds {METADATA})."
    )


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """Returns a saved optimizer's metadata, after checking all its files.

    Args:
        path: A name or a path, see `find`.

    Raises:
        SavedOptimizerError: If a file is missing or was changed.
    """
    folder = find(path)
    try:
        metadata = json.loads((folder / METADATA).read_text())
        version, digests = metadata["format_version"], metadata["files"]
    except (json.JSONDecodeError, KeyError) as error:
        raise SavedOptimizerError(
            f"{folder / METADATA} is not the metadata of a saved optimizer."
        ) from error
    if version != FORMAT_VERSION:
        raise SavedOptimizerError(
            f"{folder} has format version {version}; this version of l2l_tf "
            f"reads {FORMAT_VERSION}."
        )
    for name, digest in digests.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise SavedOptimizerError(
                f"{folder / name} is missing or was changed since its export: "
                "its SHA-256 differs from the metadata's. Export it again."
            )
    return metadata


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
    if target.exists() and not overwrite:
        raise FileExistsError(
            f"{target} exists; remove it, choose another path, or overwrite."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)
    )
    try:
        temporary.chmod(0o755)
        _save(rule, temporary)
        digests = {
            file.relative_to(temporary).as_posix(): _sha256(file)
            for file in sorted(temporary.rglob("*"))
            if file.is_file()
        }
        files.write_json(
            temporary / METADATA,
            {
                "format_version": FORMAT_VERSION,
                "rule": rule.config(),
                **metadata,
                "files": digests,
            },
        )
        _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def load(
    path: str | os.PathLike, parameter_names: Sequence[str] = ()
) -> base.UpdateRule:
    """Loads a rule that gives the same updates as the one exported.

    Args:
        path: A name or a path, see `find`.
        parameter_names: Names of the optimizee's parameters; only a routed
            rule needs them.

    Returns:
        The rule.

    Raises:
        SavedOptimizerError: If it is missing, damaged or not to be trusted.
    """
    folder = find(path)
    return _load(folder, read_metadata(folder)["rule"], parameter_names)


class RestoredRule(columns.ColumnwiseRule):
    """A learned rule that runs the functions of a SavedModel."""

    def __init__(self, folder: pathlib.Path, config: Mapping[str, Any]):
        """Loads the SavedModel, if it does nothing but arithmetic."""
        super().__init__(columns.make_arrangement(config), config["dtype"])
        try:
            graph_check.check(folder)
        except ValueError as error:
            raise SavedOptimizerError(str(error)) from error
        self._config_json = json.dumps(dict(config))
        self._module = tf.saved_model.load(str(folder))
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


def _route_folder(folder: pathlib.Path, index: int) -> pathlib.Path:
    return folder / "routes" / str(index)


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


def _sha256(file: pathlib.Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

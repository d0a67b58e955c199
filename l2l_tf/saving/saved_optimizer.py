"""Trained rules as SavedModels: export, verification and loading.

Loading needs TensorFlow alone. A folder holds the SavedModel, with functions
`initial_state` and `update` for any number of columns, and `metadata.json`;
a routed rule holds one such folder for each of its learned rules.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.rules import base
from l2l_tf.rules import registry
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
        if not rule.trainable_variables:
            raise ValueError(
                f"Only learned rules are exported; received {rule.config()}."
            )
        rule.save(temporary)
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
    config = metadata_lib.read(folder)["rule"]
    rule = registry.make_rule(config, parameter_names or None)
    try:
        for model in folder.rglob("saved_model.pb"):
            graph_check.check(model.parent)
        rule.restore(folder)
    except ValueError as error:
        raise metadata_lib.SavedOptimizerError(str(error)) from error
    return rule


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

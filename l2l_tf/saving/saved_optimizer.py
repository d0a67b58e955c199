"""Trained rules in folders: export and loading.

A folder holds a SavedModel, which needs TensorFlow alone and has functions
`initial_state` and `update` for any number of columns, and `metadata.json`; a
routed rule holds one SavedModel for each of its learned rules.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l2l_tf.core import failures
from l2l_tf.core import folders
from l2l_tf.core import siblings
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.saving import loading
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import verification


def check_target(path: str | os.PathLike, overwrite: bool) -> None:
    """Refuses to export where something would be lost.

    Args:
        path: The folder to write.
        overwrite: Whether a saved optimizer in its place is replaced.

    Raises:
        FileExistsError: If something is in its place that is to be kept.
    """
    target = siblings.absolute(path)
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
    """Writes a rule with metadata, all or nothing.

    What was written is loaded, and its updates compared with the rule's,
    before it takes its place.

    Args:
        rule: Any registered rule that has weights.
        path: The folder to write.
        metadata: What to keep beside the rule's own configuration; must be
            representable in JSON.
        overwrite: Whether an existing folder is replaced.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder exists and is not to be replaced, also
            if it has just appeared.
        SavedOptimizerError: If the rule cannot be loaded again as it is.
    """
    target = pathlib.Path(path).expanduser()
    place = siblings.absolute(target)
    siblings.sweep(place.parent, place.name)
    check_target(target, overwrite)
    _check_weights(rule)
    with folders.temporary(place) as folder:
        rule.save(folder)
        values = {**metadata, "rule": registry.config_of(rule)}
        metadata_lib.write(folder, {"rule": {}, **values})
        verification.check(rule, folder)
        folders.replace_folder(folder, place, overwrite, _is_replaceable)
    return target


def check_exportable(rule: base.UpdateRule) -> None:
    """Refuses a rule that could not be exported after training.

    Raises:
        ValueError: As `export` does, and whatever its methods raise.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        failures.explained(
            f"The rule {type(rule).__name__} cannot be exported",
            ValueError,
            OSError,
        ),
    ):
        export(rule, pathlib.Path(folder, "rule"), {})


def load(
    path: str | os.PathLike, parameter_names: Sequence[str] | None = None
) -> base.UpdateRule:
    """Loads a rule that gives the same updates as the one exported.

    It is rebuilt from its configuration and its numbers; no program in the
    folder is run.

    Args:
        path: A name or a path, see `l2l_tf.saving.metadata.find`.
        parameter_names: Names of the optimizee's parameters, to which the
            rule is bound; only a routed rule needs that, before its first use.

    Returns:
        The rule.

    Raises:
        SavedOptimizerError: If it is missing, damaged or not to be trusted.
        ValueError: If the names do not suit the rule.
    """
    rule, _ = load_with_metadata(path)
    return rule if parameter_names is None else rule.bind(parameter_names)


def load_with_metadata(
    path: str | os.PathLike,
) -> tuple[base.UpdateRule, dict[str, Any]]:
    """Loads a rule and the metadata that belong to it; see `load`."""
    folder = metadata_lib.find(path)
    return metadata_lib.consistently(loading.load_once, folder)


def _check_weights(rule: base.UpdateRule) -> None:
    if not rule.trainable_variables:
        raise ValueError(
            f"Only learned rules are exported; received {rule.config()}."
        )
    for variable in rule.trainable_variables:
        if not np.all(np.isfinite(np.asarray(variable, np.float64))):
            raise metadata_lib.SavedOptimizerError(
                f"Rules are exported if their weights are finite; received "
                f"{variable.name} with numbers that are not."
            )


def _is_replaceable(target: pathlib.Path) -> bool:
    """Returns whether overwriting a path loses a saved optimizer at most."""
    return target.is_dir() and (
        (target / metadata_lib.METADATA).is_file() or not any(target.iterdir())
    )

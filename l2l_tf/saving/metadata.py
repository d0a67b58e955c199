"""Where saved optimizers lie, and what is written beside them.

A folder is a saved optimizer if it holds `metadata.json`, which lists the
SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from l2l_tf.core import files
from l2l_tf.core import siblings
from l2l_tf.saving import manifest
from l2l_tf.saving import schema

METADATA = "metadata.json"
FORMAT_VERSION = 1

_HERE = pathlib.Path(__file__).resolve().parent.parent
# Installed, the bundled optimizers lie inside the package; in a checkout,
# beside it.
_BUNDLED = (_HERE / "saved_optimizers", _HERE.parent / "saved_optimizers")
_MAX_ATTEMPTS = 5
_T = TypeVar("_T")


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


def is_bundled(optimizer: Any) -> bool:
    """Whether something is the name of a bundled optimizer."""
    return isinstance(optimizer, str) and optimizer in bundled_names()


def _bundled(name: str) -> pathlib.Path:
    return next(f / name for f in _BUNDLED if (f / name / METADATA).is_file())


def find(optimizer: str | os.PathLike) -> pathlib.Path:
    """Returns the folder of a saved optimizer.

    Args:
        optimizer: The name of a bundled optimizer, or a path. A string that
            is such a name is a name: `"mnist"` is the bundled optimizer
            wherever it is called, `"./mnist"` and `pathlib.Path("mnist")` are
            the folder.

    Raises:
        SavedOptimizerError: If there is none.
    """
    try:
        path = pathlib.Path(optimizer)
        if is_bundled(optimizer):
            path = _bundled(optimizer)
        path = path.expanduser()
        if not os.path.lexists(path):
            siblings.recover(path)
        if (path / METADATA).is_file():
            return path
    except (OSError, RuntimeError, TypeError, ValueError):
        pass  # No path at all, or one that no system can have.
    raise SavedOptimizerError(
        f"No saved optimizer {_quote(optimizer)}; accepted: the name of a "
        f"bundled one, {bundled_names()}, or the path of a folder that "
        f"training or scripts/export.py wrote (it holds {METADATA}), such as "
        "'./runs/optimizer'."
    )


def spell(optimizer: str | os.PathLike) -> str:
    """Returns a name or path as text that means the same in any folder.

    Args:
        optimizer: See `find`.

    Returns:
        The name of a bundled optimizer as it is, any other path absolute.

    Raises:
        SavedOptimizerError: If there is no such optimizer.
    """
    folder = find(optimizer)
    if is_bundled(optimizer):
        return optimizer
    return str(folder.resolve())


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Returns a saved optimizer's metadata, after checking all its files.

    Args:
        path: A name or a path, see `find`.

    Raises:
        SavedOptimizerError: If a file is missing or was changed, or is not
            what a saved optimizer consists of.
    """
    return consistently(read_once, find(path))


def consistently(
    function: Callable[[pathlib.Path], _T], folder: pathlib.Path
) -> _T:
    """Calls a function that reads a folder, again if the folder is replaced.

    Args:
        function: Reads the folder; what it returned or raised does not count
            if another folder took the place meanwhile.
        folder: The folder.

    Raises:
        SavedOptimizerError: If the function raises it, or if the folder is
            never the same for long enough.
    """
    for _ in range(_MAX_ATTEMPTS):
        before, error = _identity(folder), None
        try:
            result = function(folder)
        except SavedOptimizerError as raised:
            error = raised
        if before == _identity(folder):
            if error is not None:
                raise error
            return result
    raise SavedOptimizerError(
        f"{folder} was replaced {_MAX_ATTEMPTS} times while it was read."
    )


def read_once(folder: pathlib.Path) -> dict[str, Any]:
    """Reads a folder that nobody replaces meanwhile; see `read`."""
    file = folder / METADATA
    try:
        metadata = files.read_json(file)
        schema.check(metadata)
    except ValueError as error:
        raise SavedOptimizerError(
            f"{file} is not the metadata of a saved optimizer: {error}"
        ) from error
    except OSError as error:
        raise SavedOptimizerError(f"{file} cannot be read: {error}") from error
    version = metadata["format_version"]
    if version != FORMAT_VERSION:
        raise SavedOptimizerError(
            f"{folder} has format version {str(version)[:20]}; this version "
            f"of l2l_tf reads {FORMAT_VERSION}."
        )
    try:
        manifest.check(folder, metadata["files"], METADATA)
    except (OSError, ValueError) as error:
        raise SavedOptimizerError(
            f"{folder} is damaged or not to be trusted: {error}"
        ) from error
    rule = metadata["rule"]
    if metadata.get("rule_sha256", _digest(rule)) != _digest(rule):
        raise SavedOptimizerError(
            f"{file} was changed since its export: its rule, "
            f"{_quote(rule)}, has another SHA-256 than the one written there. "
            "Export it again."
        )
    return metadata


def write(folder: pathlib.Path, values: Mapping[str, Any]) -> None:
    """Writes a folder's metadata: some values, and the files' digests.

    Args:
        folder: The folder, complete but for the metadata, which may be there
            to be replaced.
        values: What to write, representable in JSON.
    """
    siblings.sweep(folder, METADATA)
    content = {
        "format_version": FORMAT_VERSION,
        **values,
        "rule_sha256": _digest(values["rule"]),
        "files": manifest.digests(folder, METADATA),
    }
    files.write_json(folder / METADATA, content)


def _digest(rule: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a rule's configuration.

    It stands in the metadata; all else has files, and the manifest's digests.
    """
    text = json.dumps(files.plain(rule), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _identity(folder: pathlib.Path) -> tuple[int, ...] | None:
    """Returns what tells a folder from one that takes its place."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _quote(value: Any) -> str:
    text = repr(str(value) if isinstance(value, os.PathLike) else value)
    return text if len(text) <= 300 else f"{text[:300]}..."

"""Where saved optimizers lie, and what is written beside them.

A folder is a saved optimizer if it holds `metadata.json`, which lists the
SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files

METADATA = "metadata.json"
FORMAT_VERSION = 1

_RULES = ("coordinatewise", "kernelwise", "vectorwise", "routed")

_HERE = pathlib.Path(__file__).resolve().parent.parent
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
        optimizer: The name of a bundled optimizer, or a path. A bundled name
            stays one even where a folder of that name lies in the working
            directory; the path of that is `./name`.

    Raises:
        SavedOptimizerError: If there is none.
    """
    path = pathlib.Path(optimizer).expanduser()
    # A path is written with a separator, so that a name stays a name.
    is_name = os.fspath(optimizer) == path.name
    bundled = [folder / path for folder in _BUNDLED if is_name]
    for found in [*bundled, path]:
        if (found / METADATA).is_file():
            return found
    raise SavedOptimizerError(
        f"No saved optimizer {str(optimizer)!r}; accepted: the name of a "
        f"bundled one, {bundled_names()}, or the path of a folder that "
        f"training or scripts/export.py wrote (it holds {METADATA})."
    )


def read(path: str | os.PathLike) -> dict[str, Any]:
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
        rule, listed = metadata["rule"]["rule"], set(digests.keys())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavedOptimizerError(
            f"{folder / METADATA} is not the metadata of a saved optimizer."
        ) from error
    if version != FORMAT_VERSION:
        raise SavedOptimizerError(
            f"{folder} has format version {version}; this version of l2l_tf "
            f"reads {FORMAT_VERSION}."
        )
    present = {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file()
    }
    unlisted = sorted(present - listed - {METADATA})
    if unlisted or rule not in _RULES:
        raise SavedOptimizerError(
            f"{folder} holds files that its metadata does not list, "
            f"{unlisted}, or the unknown rule {rule!r}."
        )
    for name, digest in digests.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise SavedOptimizerError(
                f"{folder / name} is missing or was changed since its export: "
                "its SHA-256 differs from the metadata's. Export it again."
            )
    return metadata


def write(folder: pathlib.Path, values: Mapping[str, Any]) -> None:
    """Writes a folder's metadata: some values, and the files' digests.

    Args:
        folder: The folder, complete but for the metadata, which may be there
            to be replaced.
        values: What to write, representable in JSON.
    """
    digests = {
        file.relative_to(folder).as_posix(): _sha256(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / METADATA
    }
    content = {"format_version": FORMAT_VERSION, **values, "files": digests}
    files.write_json(folder / METADATA, content)


def _sha256(file: pathlib.Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

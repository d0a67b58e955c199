"""Results of single optimizers, kept until their figure is done."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files


class KeptRuns:
    """Results by what decides them, in memory and, if asked for, in a file.

    A figure that takes hours is resumed from there.
    """

    def __init__(
        self, path: str | os.PathLike | None = None, resume: bool = False
    ):
        """Reads the file, if it is there and asked for.

        Args:
            path: The file; None keeps nothing beyond this process.
            resume: Whether what the file holds counts; if not, the first
                result replaces it.

        Raises:
            ValueError: If the file is not one of these.
        """
        self._path = None if path is None else pathlib.Path(path)
        self._entries: list[dict[str, Any]] = []
        if resume and self._path is not None and self._path.is_file():
            self._entries = _read(self._path)

    def get(self, key: Mapping[str, Any]) -> Any:
        """Returns what is kept for a key of plain values, or None."""
        key = files.plain(key)
        for entry in self._entries:
            if entry["key"] == key:
                return entry["result"]
        return None

    def put(self, key: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Keeps plain values; null stands for numbers that are not finite."""
        self._entries.append({"key": files.plain(key), "result": result})
        if self._path is not None:
            files.write_json(self._path, self._entries, indent=None)

    def remove(self) -> None:
        """Forgets everything, the file too."""
        self._entries = []
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    try:
        entries = files.read_json(path, files.MAX_CURVES_BYTES, list)
        for entry in entries:
            entry["key"], entry["result"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not hold kept runs; remove it to begin anew."
        ) from error
    return entries

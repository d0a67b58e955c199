"""Files that are written all or nothing."""

from __future__ import annotations

import json
import math
import os
import pathlib
import tempfile
from typing import Any


def write_bytes(path: str | os.PathLike, content: bytes) -> pathlib.Path:
    """Writes a file under a temporary name, then renames it.

    Args:
        path: The file to write; missing folders are made.
        content: What to write.

    Returns:
        The file.
    """
    target = pathlib.Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{target.name}-", dir=target.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # Temporary files are private; the result follows the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    return target


def write_json(
    path: str | os.PathLike, value: Any, indent: int | None = 2
) -> pathlib.Path:
    """Writes a value as JSON, all or nothing; see `to_json`."""
    return write_bytes(path, to_json(value, indent).encode())


def to_json(value: Any, indent: int | None = 2) -> str:
    """Returns a value as JSON; numbers that are not finite as null.

    JSON has no infinity, and Python's own writer makes files that other
    programs refuse.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""Files that are written all or nothing, and read with limits."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

from l2l_tf.core import siblings

MAX_JSON_BYTES = 2**20
MAX_CURVES_BYTES = 2**28
"""For files that hold learning curves."""
MAX_JSON_DEPTH = 32
_CHUNK = 2**20


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
    siblings.sweep(target.parent, target.name)
    # Permissions follow the user's umask.
    temporary, held = siblings.claim(target, lambda p: p.touch(exist_ok=False))
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except BaseException:
        siblings.discard(temporary)
        raise
    finally:
        siblings.release(held)
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


def read_bytes(path: str | os.PathLike, max_bytes: int) -> bytes:
    """Returns the content of a plain file of limited size.

    Args:
        path: The file.
        max_bytes: How large it may be.

    Raises:
        ValueError: If it is a link, a pipe, a device, or too large.
        OSError: If it cannot be read.
    """
    return b"".join(_chunks(path, max_bytes))


def sha256(path: str | os.PathLike, max_bytes: int) -> str:
    """Returns the SHA-256 of a plain file; see `read_bytes`."""
    digest = hashlib.sha256()
    for chunk in _chunks(path, max_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Returns a value as it is when JSON is read: tuples become lists."""
    return json.loads(json.dumps(value))


def check_plain(value: Any) -> None:
    """Refuses what a JSON file would not bring back, but for tuples.

    Args:
        value: The value.

    Raises:
        ValueError: If it holds numbers that are not finite, names that are no
            text, other things than numbers, text, lists and objects, or is
            nested more than `MAX_JSON_DEPTH` deep.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except RecursionError:
        raise _too_deep() from None
    except TypeError as error:
        raise ValueError(str(error)) from error
    check_depth(json.loads(text))
    _check_keys(value)


def read_json(
    path: str | os.PathLike,
    max_bytes: int = MAX_JSON_BYTES,
    kind: type = dict,
) -> Any:
    """Returns what is in a JSON file that anybody may have written.

    Args:
        path: The file, plain and in UTF-8.
        max_bytes: How large it may be.
        kind: `dict` for an object, `list` for a list.

    Returns:
        Plain values: all numbers are finite, and no more than
        `MAX_JSON_DEPTH` lists and objects lie inside each other.

    Raises:
        ValueError: If it is anything else; one sentence.
        OSError: If it cannot be read.
    """
    try:
        value = parse_json(
            read_bytes(path, max_bytes).decode(),
            parse_float=_finite_float,
            parse_constant=_finite_float,
        )
    except ValueError as error:
        raise ValueError(f"{path} is not acceptable JSON: {error}") from error
    if not isinstance(value, kind):
        expected = {dict: "object", list: "list"}[kind]
        raise ValueError(f"{path} is not acceptable JSON: it is no {expected}.")
    return value


def parse_json(text: str, **options: Any) -> Any:
    """Returns the value of a JSON text that anybody may have written.

    Args:
        text: The text.
        **options: Further ones of `json.loads`.

    Raises:
        ValueError: If it is no JSON, or has more than `MAX_JSON_DEPTH` lists
            and objects inside each other.
    """
    try:
        value = json.loads(text, **options)
        check_depth(value)
    except RecursionError:
        raise _too_deep() from None
    return value


def _chunks(path: str | os.PathLike, max_bytes: int) -> Iterator[bytes]:
    # A pipe without a writer must not make us wait; nor may a link lead us
    # elsewhere.
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    if os.path.islink(path):
        raise ValueError(f"{path} is a symbolic link, not a plain file.")
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is not a plain file.")
        left = max_bytes
        if status.st_size > left:
            raise ValueError(
                f"{path} has {status.st_size:,} bytes; accepted: {left:,}."
            )
        while chunk := file.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{path} grows while it is read.")
            yield chunk


def check_depth(value: Any) -> None:
    """Refuses more than `MAX_JSON_DEPTH` lists and objects in each other."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise _too_deep()


def _check_keys(value: Any) -> None:
    children = value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"the name {key!r} is no text")
        children = value.values()
    if isinstance(value, (dict, list, tuple)):
        for child in children:
            _check_keys(child)


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {MAX_JSON_DEPTH} deep")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number.")
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

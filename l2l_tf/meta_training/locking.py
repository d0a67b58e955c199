"""One process at a time in an experiment's folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import warnings
from collections.abc import Iterator

from l2l_tf.core import siblings

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes out of a folder; makes it where there is none.

    The lock is the system's and dies with its process; the file that it is on
    stays, and names the process that had it last.

    Args:
        folder: The folder.

    Raises:
        FileExistsError: If another process, which is named, has the lock.
    """
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    file = path / LOCK
    file.touch()
    try:
        held = siblings.hold(file)
    except BlockingIOError as error:
        raise FileExistsError(
            f"save_path={str(path)!r} is in use by process "
            f"{file.read_text().strip() or 'unknown'}; wait until it ends, or "
            "choose another path."
        ) from error
    if held is None:
        warnings.warn(
            f"save_path={str(path)!r} lies where there are no locks; make sure "
            "that no other process trains there.",
            stacklevel=3,
        )
    try:
        file.write_text(f"{os.getpid()}\n")
        yield
    finally:
        siblings.release(held)

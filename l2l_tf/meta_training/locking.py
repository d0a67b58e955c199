"""One process at a time in an experiment's folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

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
    with open(path / LOCK, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FileExistsError(
                f"save_path={str(path)!r} is in use by process "
                f"{file.read().strip() or 'unknown'}; wait until it ends, or "
                "choose another path."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield

"""One process at a time in an experiment's folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator

from l2l_tf.core import folders
from l2l_tf.core import siblings

LOCK = ".lock"


@contextlib.contextmanager
def locked(
    folder: str | os.PathLike, has_begun: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Keeps other processes out of a folder; makes it where there is none.

    The lock is the system's and dies with its process; the file that it is on
    stays, and names the process that had it last.

    Args:
        folder: The folder.
        has_begun: Tells whether the folder holds anything of use; if not, and
            it was made here, it is removed when what is done in it fails.

    Raises:
        FileExistsError: If another process, which is named, has the lock.
    """
    # Links followed: what is behind one may have been put aside just now.
    path = pathlib.Path(os.path.realpath(folder))
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    file = path / LOCK
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise FileExistsError(
            f"In save_path={str(folder)!r}, {LOCK!r} is no plain file; move it "
            "away, or choose another path."
        )
    file.touch()
    try:
        held = siblings.hold(file)
    except BlockingIOError as error:
        raise FileExistsError(
            f"save_path={str(folder)!r} is in use by process "
            f"{file.read_text().strip() or 'unknown'}; wait until it ends, or "
            "choose another path."
        ) from error
    if held is None:
        warnings.warn(
            f"save_path={str(folder)!r} lies where there are no locks; make "
            "sure that no other process trains there.",
            stacklevel=3,
        )
    try:
        is_new &= not holds_anything(path)
        file.write_text(f"{os.getpid()}\n")
        yield
    except Exception:
        if is_new and not has_begun():
            folders.remove_folder(path)
        raise
    finally:
        siblings.release(held)


def holds_anything(folder: pathlib.Path) -> bool:
    """Whether a folder holds anything but the file of the lock."""
    return any(file.name != LOCK for file in folder.iterdir())

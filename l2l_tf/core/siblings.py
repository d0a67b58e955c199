"""Names beside a target, for what is to take its place or has just left it.

    .optimizer-l2l_tf-new-3f1c09ab    not yet finished
    .optimizer-l2l_tf-old-3f1c09ab    put aside while another takes its place
    .optimizer-l2l_tf-gone-3f1c09ab   being removed

Whoever works on one holds a lock on it that dies with the process, so that
what a kill has left can be told from what is in use.
"""

from __future__ import annotations

import os
import pathlib
import re
import secrets
import shutil
import time
from collections.abc import Callable

try:
    import fcntl
except ImportError:  # Not on Windows: there nothing is ever swept.
    fcntl = None

NEW, OLD, GONE = "new", "old", "gone"
MAX_WAIT = 10.0
"""Seconds in which whoever replaces something should be done."""
_PAUSE = 0.01
_ATTEMPTS = 1_000


def make_name(target: str | os.PathLike, kind: str) -> pathlib.Path:
    """Returns a path beside a target that nothing has yet.

    Args:
        target: What it is about; need not be there.
        kind: `NEW`, `OLD` or `GONE`.
    """
    target = absolute(target)
    token = secrets.token_hex(4)
    return target.with_name(f".{target.name}-l2l_tf-{kind}-{token}")


def absolute(path: str | os.PathLike) -> pathlib.Path:
    """Returns a path that has a name and a parent, links as they are."""
    return pathlib.Path(os.path.abspath(pathlib.Path(path).expanduser()))


def claim(
    target: str | os.PathLike, make: Callable[[pathlib.Path], None]
) -> tuple[pathlib.Path, int | None]:
    """Makes something new beside a target that nobody else will sweep.

    Args:
        target: What it is to replace.
        make: Makes an empty file or folder; raises FileExistsError if there
            is one.

    Returns:
        Its path, and a descriptor to release.
    """
    for attempt in range(_ATTEMPTS):
        path = make_name(target, NEW)
        try:
            make(path)
            descriptor = hold(path)
        except (FileExistsError, BlockingIOError):
            continue
        except FileNotFoundError:
            # A folder may have been removed and made again, but some take no
            # files at all.
            if not path.parent.is_dir() or attempt + 1 == _ATTEMPTS:
                raise
            continue
        # Someone may have swept it before it was held.
        if os.path.lexists(path):
            return path, descriptor
        release(descriptor)
    raise FileExistsError(
        f"No file could be made beside {str(target)!r} in {_ATTEMPTS} attempts."
    )


def hold(path: pathlib.Path, wait: float = 0.0) -> int | None:
    """Locks a file or a folder until the descriptor is released.

    Args:
        path: What to lock; a link is not followed.
        wait: For how many seconds to wait for somebody else who holds it.

    Returns:
        A descriptor to release; None where the system has no such locks.

    Raises:
        BlockingIOError: If somebody else goes on holding it.
        OSError: If it is not there, or not a file or folder.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                raise
            time.sleep(_PAUSE)
        except OSError:  # Some network file systems have no locks.
            os.close(descriptor)
            return None


def release(descriptor: int | None) -> None:
    """Undoes `hold`."""
    if descriptor is not None:
        os.close(descriptor)


def sweep(parent: str | os.PathLike, name: str) -> None:
    """Mends what kills have left beside a target.

    What was put aside goes back if nothing has taken its place; all else that
    no living process holds is removed.

    Args:
        parent: The folder in which the target lies.
        name: The target's name.
    """
    target = absolute(pathlib.Path(parent) / name)
    for path in find(target, OLD):
        _settle(path, target)
    for path in find(target, NEW) + find(target, GONE):
        _settle(path, None)


def recover(target: str | os.PathLike) -> None:
    """Brings back a target that was put aside, unless it was replaced.

    Waits for a process that is about to replace it.

    Args:
        target: What is missing.
    """
    target = absolute(target)
    for path in find(target, OLD):
        _settle(path, target, MAX_WAIT)


def find(target: pathlib.Path, kind: str) -> list[pathlib.Path]:
    """Returns what lies beside a target under names of `make_name`."""
    pattern = re.compile(
        rf"\.{re.escape(target.name)}-l2l_tf-{kind}-[0-9a-f]{{8}}"
    )
    try:
        names = sorted(os.listdir(target.parent))
    except OSError:
        return []
    return [target.parent / n for n in names if pattern.fullmatch(n)]


def _settle(
    path: pathlib.Path, target: pathlib.Path | None, wait: float = 0.0
) -> None:
    """Removes what nobody holds, or puts it back where it belongs."""
    try:
        descriptor = hold(path, wait)
    except OSError:
        return
    if descriptor is None:
        return
    try:
        if target is None or os.path.lexists(target):
            discard(path)
        else:
            os.rename(path, target)
    except OSError:
        pass  # Somebody else was faster, or it is not ours to change.
    finally:
        release(descriptor)


def discard(path: pathlib.Path) -> None:
    """Removes a file, a link or a whole folder, as far as that is allowed."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass  # The next sweep tries again.

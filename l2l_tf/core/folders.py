"""Folders that are written, replaced and removed all or nothing.

With `renameat2` two folders change places at once, so that there is no moment
with nothing in a name's place. Where a system or a file system lacks it, the
old folder is put aside first, and put back if the new one cannot follow.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pathlib
import stat
from collections.abc import Callable, Iterator

from l2l_tf.core import siblings

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_IN_PLACE = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)


@contextlib.contextmanager
def temporary(target: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Makes an empty folder beside a target, and removes it in the end.

    Nobody sweeps it as long as this process lives.

    Args:
        target: What is to be written; missing parents are made.

    Yields:
        The folder.
    """
    target = siblings.absolute(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder, descriptor = siblings.claim(target, os.mkdir)
    try:
        yield folder
    finally:
        siblings.discard(folder)
        siblings.release(descriptor)


def replace_folder(
    source: str | os.PathLike,
    target: str | os.PathLike,
    overwrite: bool = False,
    may_replace: Callable[[pathlib.Path], bool] | None = None,
) -> None:
    """Puts a folder in a target's place.

    Args:
        source: The folder, from `temporary`; what was in the target's place is
            there afterwards, if anything was, and goes with it.
        target: Where it shall lie.
        overwrite: Whether it may replace what is there.
        may_replace: Tells whether what was there may be lost; everything by
            default.

    Raises:
        FileExistsError: If something is in the target's place that is not to
            be replaced, also if it has just appeared there.
    """
    source, target = pathlib.Path(source), siblings.absolute(target)
    try:
        _rename_to_nothing(source, target)
        return
    except FileExistsError:
        if not overwrite:
            raise
    _exchange(source, target)
    if may_replace is not None and not may_replace(source):
        _exchange(source, target, is_held=True)
        raise FileExistsError(
            f"{target} is something that is not to be lost; it was not "
            "replaced. Choose another path."
        )


def remove_folder(target: str | os.PathLike) -> None:
    """Removes a folder at once, and what kills have left beside it.

    Args:
        target: The folder; nothing happens if it is not there.
    """
    target = siblings.absolute(target)
    siblings.sweep(target.parent, target.name)
    if os.path.lexists(target):
        # Half a folder is of no use to anyone.
        aside = siblings.make_name(target, siblings.GONE)
        os.rename(target, aside)
        siblings.discard(aside)


def check_place(name: str, path: str | os.PathLike) -> None:
    """Refuses a path where there is no folder, and none can be made.

    Args:
        name: What the path is called, for messages.
        path: The path.

    Raises:
        ValueError: If that is so; it says why.
    """
    said = f"{name}={str(path)!r}"
    whole = siblings.absolute(path)
    for place in (whole, *whole.parents):
        try:
            is_folder = stat.S_ISDIR(os.stat(place).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.islink(place):
                continue
            what = "a link that leads nowhere"
        except OSError as error:
            raise ValueError(
                f"{said} cannot be used: {error.strerror}."
            ) from error
        else:
            if is_folder:
                break
            what = "a file"
        where = "is" if place == whole else f"lies below {str(place)!r},"
        raise ValueError(f"{said} {where} {what}, not a folder.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(
            f"{said} cannot be used: nothing can be written in {str(place)!r}."
        )


def _rename_to_nothing(source: pathlib.Path, target: pathlib.Path) -> None:
    """Renames, where nothing is in the target's place."""
    try:
        if _renameat2(source, target, _RENAME_NOREPLACE):
            return
        if not os.path.lexists(target):
            os.rename(source, target)  # Refuses all but empty folders.
            return
    except OSError as error:
        if error.errno not in _IN_PLACE:
            raise
    raise FileExistsError(
        f"{target} exists; remove it, choose another path, or overwrite."
    )


def _exchange(
    source: pathlib.Path, target: pathlib.Path, is_held: bool = False
) -> None:
    """Lets two folders change places.

    Args:
        source: One.
        target: The other.
        is_held: Whether the caller holds the target.
    """
    if _renameat2(source, target, _RENAME_EXCHANGE):
        return
    aside = siblings.make_name(target, siblings.OLD)
    # Nobody shall sweep what is put aside, or bring it back.
    descriptor = None
    if not is_held and not target.is_symlink():
        descriptor = siblings.hold(target, siblings.MAX_WAIT)
    try:
        os.rename(target, aside)
        try:
            os.rename(source, target)
        except BaseException:
            os.rename(aside, target)
            raise
        os.rename(aside, source)
    finally:
        siblings.release(descriptor)


def _renameat2(source: pathlib.Path, target: pathlib.Path, flag: int) -> bool:
    """Renames as a flag says; returns False where that cannot be done."""
    function = _find_renameat2()
    if function is None:
        return False
    names = os.fsencode(source), os.fsencode(target)
    if function(_AT_FDCWD, names[0], _AT_FDCWD, names[1], flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def _find_renameat2() -> Callable[..., int] | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]
    return function

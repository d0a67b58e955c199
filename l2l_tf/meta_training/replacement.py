"""An experiment that takes the place of another.

The old one is put aside, and is removed once the new one has a checkpoint. If
it never gets there, the old one is put back: at once where it fails, and at
the next use of the folder where it was killed.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator

from l2l_tf.core import siblings
from l2l_tf.meta_training import locking

# What cannot be made again at once: of an experiment, or of a recipe's stages.
_RESULTS = ("checkpoints/*.index", "optimizer/metadata.json")


@contextlib.contextmanager
def replacing(folder: str | os.PathLike, overwrite: bool) -> Iterator[None]:
    """Puts an experiment aside, and back unless another takes its place.

    Args:
        folder: The folder; a link is followed. It may be missing.
        overwrite: Whether to replace it; if not, nothing is done.

    Raises:
        FileExistsError: If another process trains in the folder.
    """
    place = resolved(folder)
    if not (overwrite and place.exists()):
        yield
        return
    aside = siblings.make_name(place, siblings.OLD)
    with contextlib.ExitStack() as stack:
        with locking.locked(place):
            # Nobody shall sweep what is put aside, or bring it back.
            held = siblings.hold(place, siblings.MAX_WAIT)
            stack.callback(siblings.release, held)
            os.rename(place, aside)
        try:
            yield
        finally:
            if not _settle(aside, place):
                print(f"What was to be replaced is in {folder} again.")


@contextlib.contextmanager
def taken(
    folder: str | os.PathLike,
    overwrite: bool,
    has_begun: Callable[[], bool],
    is_chief: bool = True,
) -> Iterator[None]:
    """Takes a folder to write in, alone, in place of what may be there.

    Args:
        folder: The folder.
        overwrite: Whether to replace what is there, see `replacing`.
        has_begun: Tells whether it holds anything of use, see
            `l2l_tf.meta_training.locking.locked`.
        is_chief: Whether this process writes in it; if not, nothing is done.
    """
    if not is_chief:
        yield
        return
    with replacing(folder, overwrite), locking.locked(folder, has_begun):
        yield


def mend(folder: str | os.PathLike) -> None:
    """Ends what a kill has left of `replacing`.

    Args:
        folder: The folder; need not be there.
    """
    place = resolved(folder)
    for aside in siblings.find(place, siblings.OLD):
        try:
            held = siblings.hold(aside)
        except OSError:
            continue  # It is in use, or somebody else was faster.
        if held is not None:
            with contextlib.suppress(OSError):
                _settle(aside, place)
            siblings.release(held)
    siblings.sweep(place.parent, place.name)


def resolved(folder: str | os.PathLike) -> pathlib.Path:
    """Returns the absolute path of a folder, links followed."""
    return pathlib.Path(os.path.realpath(pathlib.Path(folder).expanduser()))


def _settle(aside: pathlib.Path, place: pathlib.Path) -> bool:
    """Keeps one of two experiments in a place, and removes the other.

    Returns:
        Whether it is the new one.
    """
    if not place.exists():
        os.rename(aside, place)
        return False
    with locking.locked(place):
        is_begun = any(
            any(place.glob(f"{folder}{name}"))
            for folder in ("", "*/")
            for name in _RESULTS
        )
        gone = siblings.make_name(place, siblings.GONE)
        os.rename(aside if is_begun else place, gone)
        if not is_begun:
            os.rename(aside, place)
    siblings.discard(gone)
    return is_begun

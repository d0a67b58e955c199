"""What a user's own code, or a file's content, fails with, in one sentence."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sysconfig
import traceback
from collections.abc import Iterator

_NOT_OF_USERS = (
    os.path.join(pathlib.Path(__file__).resolve().parent.parent, ""),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    "<",  # What Python has within itself.
)


@contextlib.contextmanager
def explained(what: str, *passed: type[BaseException]) -> Iterator[None]:
    """Turns whatever is raised inside into one sentence.

        The loss of 'mine:f' cannot be evaluated: division by zero
        (ZeroDivisionError, mine.py, line 12).

    Args:
        what: Begins the sentence, such as "The loss cannot be evaluated".
        *passed: Errors that are left as they are.

    Raises:
        ValueError: If anything is raised, an exit of the program included.
    """
    try:
        yield
    except passed:
        raise
    except (Exception, SystemExit) as error:
        said = (_text(error).strip().splitlines() or [""])[0].rstrip(".:")
        place = _place(error)
        kind = ", ".join([type(error).__name__, *place])
        if said and not place and isinstance(error, ValueError):
            # The library's own words.
            raise ValueError(f"{what}: {said}.") from error
        raise ValueError(
            f"{what}: {said} ({kind})." if said else f"{what}: {kind}."
        ) from error


def _text(error: BaseException) -> str:
    """Returns an error's message, or nothing where it cannot be said."""
    try:
        return str(error)
    except Exception:
        return ""


def _place(error: BaseException) -> list[str]:
    """Returns the last line of the user's own code, if there is any."""
    lines = [
        f"{pathlib.Path(frame.filename).name}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_OF_USERS)
    ]
    return lines[-1:]

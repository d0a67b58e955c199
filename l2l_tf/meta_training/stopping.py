"""A training that is asked to stop: it saves what it has, and ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class StoppedError(RuntimeError):
    """Training was asked to stop, and what it has done is saved."""


@contextlib.contextmanager
def noticed() -> Iterator[Callable[[], bool]]:
    """Takes note of SIGTERM, with which machines announce that they go away.

    The second one ends the process at once, as ever.

    Yields:
        Tells whether there was one.
    """
    asked = threading.Event()
    # Elsewhere Python takes no signals.
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number, frame):
        del number, frame
        asked.set()
        signal.signal(signal.SIGTERM, previous)

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, previous)

"""Whether there is a network to download from."""

from __future__ import annotations

import socket

_HOST = ("storage.googleapis.com", 443)
"""Where TensorFlow Datasets and Keras keep most of their files."""


class DataNotFoundError(RuntimeError):
    """Data are neither on disk nor within reach."""


def check(advice: str) -> None:
    """Raises at once where a download would be tried in vain for minutes.

    Args:
        advice: What is missing, and what to do about it.

    Raises:
        DataNotFoundError: If there is no connection; it gives the advice.
    """
    try:
        socket.create_connection(_HOST, timeout=3.0).close()
    except OSError as error:
        raise DataNotFoundError(advice) from error

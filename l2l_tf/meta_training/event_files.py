"""TensorBoard's files: what a killed process wrote too early is taken back."""

from __future__ import annotations

import os
import pathlib
import struct
from collections.abc import Iterator

import tensorflow as tf
from google.protobuf import message

from l2l_tf.core import files

_PATTERN = "events.out.tfevents.*"
_LENGTH = struct.Struct("<Q")
# A record is its length, the length's checksum, the event and its checksum.
_CHECKSUM = 4


def exist(folder: str | os.PathLike) -> bool:
    """Returns whether a folder holds any of TensorBoard's files."""
    return any(pathlib.Path(folder).glob(_PATTERN))


def hold_graph(folder: str | os.PathLike) -> bool:
    """Returns whether the files in a folder hold a graph."""
    return any(
        event.graph_def
        for file in pathlib.Path(folder).glob(_PATTERN)
        for event, _ in _records(file.read_bytes())
    )


def forget_after(folder: str | os.PathLike, run: int) -> None:
    """Removes all points after a run, and what a kill left half written.

    A training goes on from its last checkpoint, which may be older than its
    last point: it will write these points again.

    Args:
        folder: The folder; what lies in folders below it stays.
        run: The last run whose points stay.
    """
    for file in pathlib.Path(folder).glob(_PATTERN):
        content = file.read_bytes()
        kept = b"".join(
            record for event, record in _records(content) if event.step <= run
        )
        if kept != content:
            files.write_bytes(file, kept)


def _records(content: bytes) -> Iterator[tuple[tf.compat.v1.Event, bytes]]:
    """Yields the whole events of a file, and the bytes of each."""
    start = 0
    while start + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, start)
        first = start + _LENGTH.size + _CHECKSUM
        end = first + length + _CHECKSUM
        if end > len(content):
            return
        try:
            event = tf.compat.v1.Event.FromString(
                content[first : first + length]
            )
        except message.DecodeError:
            # What follows cannot be read by anyone.
            return
        yield event, content[start:end]
        start = end

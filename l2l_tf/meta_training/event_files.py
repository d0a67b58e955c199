"""An experiment's files for TensorBoard, which it knows from those of others.

What a killed process wrote too early is taken back.
"""

from __future__ import annotations

import hashlib
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


class EventFiles:
    """The files of one experiment in a folder that others may share.

    Their names end with a digest of where the experiment lies, seen from the
    folder: both may be moved together.
    """

    def __init__(
        self, folder: str | os.PathLike, experiment: str | os.PathLike
    ):
        """Takes the folder of the files, and the experiment's."""
        self._folder = pathlib.Path(folder).expanduser()
        way = os.path.relpath(_resolved(experiment), _resolved(folder))
        digest = hashlib.sha256(os.fsencode(way)).hexdigest()
        self._suffix = f".{digest[:12]}.v2"

    def writer(self) -> tf.summary.SummaryWriter:
        """Opens one more file."""
        return tf.summary.create_file_writer(
            os.fspath(self._folder), filename_suffix=self._suffix
        )

    def hold_graph(self) -> bool:
        """Returns whether they hold a graph."""
        return any(
            event.graph_def
            for file in self._files()
            for event, _ in _records(file.read_bytes())
        )

    def forget_after(self, run: int) -> None:
        """Removes all points after a run, and what a kill left half written.

        A training goes on from its last checkpoint, which may be older than
        its last point: it will write these points again.

        Args:
            run: The last run whose points stay.
        """
        for file in self._files():
            content = file.read_bytes()
            kept = b"".join(
                record
                for event, record in _records(content)
                if event.step <= run
            )
            if kept != content:
                files.write_bytes(file, kept)

    def remove(self) -> None:
        """Removes them all."""
        for file in self._files():
            file.unlink()

    def _files(self) -> list[pathlib.Path]:
        return list(self._folder.glob(f"{_PATTERN}{self._suffix}"))


def _resolved(path: str | os.PathLike) -> str:
    return os.path.realpath(pathlib.Path(path).expanduser())


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

"""Reads the numbers in a TensorFlow checkpoint that anybody may have written.

TensorFlow's own reader ends the process at a damaged index (a shape with a
negative dimension is enough). This one is Python, checks every length and
checksum, and reads what TensorFlow writes on one machine: an index, which is a
table in LevelDB's format, not compressed, and one file with the tensors' bytes
one after the other.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.h; tensor_bundle.proto;
LevelDB, doc/table_format.md.
"""

from __future__ import annotations

import itertools
import math
import os
import pathlib
import struct
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import tensor_bundle_pb2

from l2l_tf.core import crc32c
from l2l_tf.core import files

MAX_INDEX_BYTES = 2**20
MAX_DATA_BYTES = 2**27
MAX_TENSORS = 1000

_MAX_NAME_BYTES = 1000
_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # Of a block: how it is compressed, and its checksum.
_DTYPES = frozenset(
    (tf.float32, tf.float64, tf.float16, tf.bfloat16)
    + (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8)
)
_Entry = tensor_bundle_pb2.BundleEntryProto


def list_tensors(prefix: str | os.PathLike) -> dict[str, tf.TensorSpec]:
    """Returns the names, shapes and types of a checkpoint's numbers.

    Args:
        prefix: The checkpoint's files without `.index` and so on.

    Raises:
        ValueError: If it is damaged, or not what TensorFlow would write.
        OSError: If it cannot be read.
    """
    return {
        name: tf.TensorSpec(_shape(entry), entry.dtype)
        for name, entry in _read_index(pathlib.Path(prefix)).items()
    }


def read(prefix: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns a checkpoint's numbers by their names; arguments as above."""
    prefix = pathlib.Path(prefix)
    entries = _read_index(prefix)
    data = memoryview(files.read_bytes(_data_file(prefix), MAX_DATA_BYTES))
    tensors = {}
    for name, entry in entries.items():
        content = data[entry.offset : entry.offset + entry.size]
        if len(content) != entry.size or (
            crc32c.masked(content) != entry.crc32c
        ):
            raise ValueError(f"{prefix} has damaged numbers in {name!r}.")
        dtype = tf.as_dtype(entry.dtype).as_numpy_dtype
        tensors[name] = np.frombuffer(content, dtype).reshape(_shape(entry))
    return tensors


def _data_file(prefix: pathlib.Path) -> pathlib.Path:
    return prefix.with_name(f"{prefix.name}.data-00000-of-00001")


def _read_index(prefix: pathlib.Path) -> dict[str, _Entry]:
    """Returns the entries of a checkpoint's numbers; strings are left out."""
    path = prefix.with_name(f"{prefix.name}.index")
    index = files.read_bytes(path, MAX_INDEX_BYTES)
    try:
        # One more than accepted, and one for the header.
        table = itertools.islice(_parse_table(index), MAX_TENSORS + 2)
        entries = dict(table)
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(
            entries.pop(b"", b"")
        )
        found = {
            name.decode(): _Entry.FromString(value)
            for name, value in entries.items()
        }
    except (IndexError, ValueError, struct.error, message.DecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error
    if (
        header.num_shards != 1
        or header.endianness != header.LITTLE
        or len(found) > MAX_TENSORS
    ):
        raise ValueError(
            f"{path} lists {len(found)} tensors in {header.num_shards} files; "
            f"accepted: up to {MAX_TENSORS} in one, little-endian."
        )
    found = {
        name: entry
        for name, entry in found.items()
        if entry.dtype != tf.string.as_datatype_enum
    }
    for name, entry in found.items():
        _check(path, name, entry)
    # Entries that share their bytes would promise more than there is.
    total = sum(entry.size for entry in found.values())
    if total > os.lstat(_data_file(prefix)).st_size:
        raise ValueError(
            f"{path} promises {total:,} bytes, which {_data_file(prefix)} "
            "does not hold."
        )
    return found


def _check(path: pathlib.Path, name: str, entry: _Entry) -> None:
    """Refuses what does not say in a sensible way where its numbers are."""
    shape = _shape(entry)
    is_sensible = (
        entry.dtype in {dtype.as_datatype_enum for dtype in _DTYPES}
        and not (entry.slices or entry.shape.unknown_rank)
        and entry.shard_id == 0
        and entry.offset >= 0
        and len(shape) <= 8
        and all(0 <= size <= MAX_DATA_BYTES for size in shape)
        and entry.size == math.prod(shape) * tf.as_dtype(entry.dtype).size
        and entry.offset + entry.size <= MAX_DATA_BYTES
    )
    if not is_sensible:
        raise ValueError(
            f"{path} describes {name!r} in a way that is not accepted: type "
            f"{entry.dtype}, shape {shape}, {entry.size} bytes."
        )


def _shape(entry: _Entry) -> list[int]:
    return [dim.size for dim in entry.shape.dim]


def _parse_table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = table[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or not footer.endswith(_MAGIC):
        raise ValueError("it is not a table")
    _, _, position = _parse_handle(footer, 0)  # Of a block that is not used.
    start, size, _ = _parse_handle(footer, position)
    last, end = None, 0
    for _, handle in _parse_block(table, start, size):
        start, size, _ = _parse_handle(handle, 0)
        # Else a small table could ask for endless work.
        if start < end:
            raise ValueError("its blocks overlap")
        end = start + size
        for key, value in _parse_block(table, start, size):
            if last is not None and key <= last:
                raise ValueError("its keys are not in order")
            last = key
            yield key, value


def _parse_block(
    table: bytes, start: int, size: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values in a block of a table."""
    end = start + size
    content, trailer = table[start:end], table[end : end + _TRAILER_BYTES]
    if len(content) != size or len(trailer) != _TRAILER_BYTES or trailer[0]:
        raise ValueError("a block is cut off or compressed")
    [crc] = struct.unpack("<I", trailer[1:])
    if crc32c.masked(table[start : end + 1]) != crc:
        raise ValueError("a checksum differs")
    [num_restarts] = struct.unpack("<I", content[-4:])
    limit = size - 4 * (num_restarts + 1)
    key, position = b"", 0
    while position < limit:
        shared, position = _parse_varint(content, position)
        added, position = _parse_varint(content, position)
        length, position = _parse_varint(content, position)
        key = key[:shared] + content[position : position + added]
        position += added
        value = content[position : position + length]
        position += length
        if len(key) != shared + added or position > limit:
            raise ValueError("an entry is cut off")
        if len(key) > _MAX_NAME_BYTES:
            raise ValueError("a name is too long")
        yield key, value
    if position != limit:
        raise ValueError("a block has no end")


def _parse_handle(data: bytes, position: int) -> tuple[int, int, int]:
    """Returns where a block is, its size, and where parsing goes on."""
    start, position = _parse_varint(data, position)
    size, position = _parse_varint(data, position)
    return start, size, position


def _parse_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number has no end")

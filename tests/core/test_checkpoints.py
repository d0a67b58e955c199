"""Tests of l2l_tf/core/checkpoints.py."""

import os
import random
import struct

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import checkpoints
from l2l_tf.core import crc32c

_DTYPES = ["float32", "float64", "float16", "bfloat16", "int32", "int64"]
_SHAPES = [[], [0], [3, 4], [2, 3, 5]]


def _write(folder, values) -> str:
    checkpoint = tf.train.Checkpoint(
        **{name: tf.Variable(value) for name, value in values.items()}
    )
    return checkpoint.write(str(folder / "checkpoint"))


def _name(name: str) -> str:
    return f"{name}/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Returns a checkpoint of all types and shapes, and its values."""
    values = {
        f"{dtype}_{index}": tf.cast(
            100 * tf.random.stateless_normal(shape, [index, 0]), dtype
        )
        for index, shape in enumerate(_SHAPES)
        for dtype in _DTYPES
    }
    return _write(tmp_path_factory.mktemp("written"), values), values


@pytest.fixture
def copy(written, tmp_path):
    """Returns the prefix of a copy."""
    source = os.path.dirname(written[0])
    for name in os.listdir(source):
        content = open(os.path.join(source, name), "rb").read()
        (tmp_path / name).write_bytes(content)
    return tmp_path / "checkpoint"


def _index(prefix):
    return prefix.with_name("checkpoint.index")


def _data(prefix):
    return prefix.with_name("checkpoint.data-00000-of-00001")


def test_all_types_and_shapes_are_read(written):
    prefix, values = written
    found = checkpoints.read(prefix)
    specs = checkpoints.list_tensors(prefix)
    assert found.keys() == specs.keys()
    for name, value in values.items():
        read, spec = found[_name(name)], specs[_name(name)]
        assert spec.shape == value.shape and spec.dtype == value.dtype
        assert tf.as_dtype(read.dtype) == value.dtype
        np.testing.assert_array_equal(read, value.numpy())


def test_many_tensors_take_several_blocks(tmp_path):
    # A block of an index has 256 KiB.
    values = {f"v{i}_{'x' * 900}": np.float32(i) for i in range(600)}
    found = checkpoints.read(_write(tmp_path, values))
    assert os.path.getsize(tmp_path / "checkpoint.index") > 2**18
    for name, value in values.items():
        assert found[_name(name)] == value


def test_too_many_tensors_are_refused(tmp_path, monkeypatch):
    prefix = _write(tmp_path, {f"v{i}": np.float32(i) for i in range(6)})
    monkeypatch.setattr(checkpoints, "MAX_TENSORS", 5)
    with pytest.raises(ValueError, match="up to 5"):
        checkpoints.read(prefix)


def test_too_large_files_are_refused_unread(copy):
    for file in (_index(copy), _data(copy)):
        size = file.stat().st_size
        os.truncate(file, 2**40)
        with pytest.raises(ValueError, match="bytes"):
            checkpoints.read(copy)
        os.truncate(file, size)
    assert checkpoints.read(copy)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_found(seed, copy):
    draw = random.Random(seed)
    file = draw.choice([_index(copy), _data(copy)])
    content = bytearray(file.read_bytes())
    # A footer ends in zeros that mean nothing, a data file in strings that
    # are not read.
    end = len(content) - 48 if file == _index(copy) else 1000
    content[draw.randrange(end)] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged|unused"):
        checkpoints.read(copy)


@pytest.mark.parametrize("part", ["index", "data"])
def test_what_is_cut_off_is_refused(part, copy):
    file = _index(copy) if part == "index" else _data(copy)
    content = file.read_bytes()
    # The end of the data is a string, which is not read.
    for size in (0, 1, 47, 48, 200):
        file.write_bytes(content[:size])
        with pytest.raises(ValueError):
            checkpoints.read(copy)


def _table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Writes a table of one block without shared beginnings of keys."""

    def varint(number):
        data = b""
        while number > 127:
            data += bytes([number & 127 | 128])
            number >>= 7
        return data + bytes([number])

    def block(items):
        content = b"".join(
            varint(0) + varint(len(key)) + varint(len(value)) + key + value
            for key, value in items
        )
        content += struct.pack("<II", 0, 1)
        sealed = content + b"\0"
        checksum = struct.pack("<I", crc32c.masked(sealed))
        return len(content), sealed + checksum

    size, data = block(entries)
    index_size, index = block([(b"\xff", varint(0) + varint(size))])
    footer = varint(0) * 2 + varint(len(data)) + varint(index_size)
    magic = struct.pack("<Q", 0xDB4775248B80FB57)
    return data + index + footer.ljust(40, b"\0") + magic


_HEADER = (b"", b"\x08\x01\x1a\x02\x08\x01")  # One file, version 1.


def _entry(dims, size, dtype=1, offset=0, more=b"") -> bytes:
    """Returns an entry whose numbers are four zero bytes, as a message."""

    def varint(number):
        number &= 2**64 - 1
        data = b""
        while number > 127:
            data += bytes([number & 127 | 128])
            number >>= 7
        return data + bytes([number])

    shape = b""
    for dim in dims:
        content = b"\x08" + varint(dim)
        shape += b"\x12" + varint(len(content)) + content
    checksum = struct.pack("<I", crc32c.masked(bytes(4)))
    return (
        b"\x08"
        + varint(dtype)
        + b"\x12"
        + varint(len(shape))
        + shape
        + b"\x20"
        + varint(offset)
        + b"\x28"
        + varint(size)
        + b"\x35"
        + checksum
        + more
    )


def _write_raw(folder, entries) -> str:
    prefix = folder / "raw"
    prefix.with_name("raw.index").write_bytes(_table(entries))
    prefix.with_name("raw.data-00000-of-00001").write_bytes(bytes(4))
    return prefix


def test_a_table_written_by_hand_is_read(tmp_path):
    prefix = _write_raw(tmp_path, [_HEADER, (b"a", _entry([1], 4))])
    assert checkpoints.read(prefix)["a"].tolist() == [0.0]
    reader = tf.train.load_checkpoint(str(prefix))
    assert reader.get_tensor("a").tolist() == [0.0]


@pytest.mark.parametrize(
    ("what", "entries"),
    {
        # The first three end a process that uses TensorFlow's own reader.
        "a negative dimension": [(b"a", _entry([-1], 4))],
        "dimensions that overflow": [(b"a", _entry([2**40, 2**40], 4))],
        "an unknown type": [(b"a", _entry([1], 4, dtype=99))],
        "a resource": [(b"a", _entry([1], 4, dtype=20))],
        "too few bytes": [(b"a", _entry([2], 4))],
        "a negative offset": [(b"a", _entry([1], 4, offset=-4))],
        "an offset beyond the end": [(b"a", _entry([1], 4, offset=4))],
        "a slice": [(b"a", _entry([1], 4, more=b"\x3a\x02\x0a\x00"))],
        "another file": [(b"a", _entry([1], 4, more=b"\x18\x01"))],
        "shared bytes": [(b"a", _entry([1], 4)), (b"b", _entry([1], 4))],
        "unordered names": [(b"b", _entry([0], 0)), (b"a", _entry([0], 0))],
        "a name twice": [(b"a", _entry([0], 0)), (b"a", _entry([0], 0))],
        "a name that is no text": [(b"\xff", _entry([1], 4))],
        "a long name": [(b"a" * 1001, _entry([1], 4))],
        "many dimensions": [(b"a", _entry([1] * 9, 4))],
        "no message": [(b"a", b"\xff\xff")],
    }.items(),
)
def test_what_tensorflow_would_not_write_is_refused(what, entries, tmp_path):
    prefix = _write_raw(tmp_path, [_HEADER, *entries])
    with pytest.raises(ValueError):
        checkpoints.read(prefix)


@pytest.mark.parametrize("header", [b"\x08\x02", b"\x08\x01\x10\x01", b""])
def test_other_headers_are_refused(header, tmp_path):
    prefix = _write_raw(tmp_path, [(b"", header), (b"a", _entry([1], 4))])
    with pytest.raises(ValueError, match="little-endian"):
        checkpoints.read(prefix)


def test_names_that_grow_do_not_take_all_memory(tmp_path):
    # Each key is the last one and one byte more: quadratic in the file's size.
    content = b"".join(
        struct.pack("<B", 0 if i == 0 else 127) + b"\x01\x00a"
        for i in range(50_000)
    )
    content += struct.pack("<II", 0, 1)
    sealed = content + b"\0"
    table = sealed + struct.pack("<I", crc32c.masked(sealed))
    (tmp_path / "raw.index").write_bytes(table + bytes(48))
    with pytest.raises(ValueError):
        checkpoints.read(tmp_path / "raw")


def test_missing_files_are_an_error_of_the_system(copy):
    _data(copy).unlink()
    with pytest.raises(OSError):
        checkpoints.read(copy)
    _index(copy).unlink()
    with pytest.raises(OSError):
        checkpoints.list_tensors(copy)

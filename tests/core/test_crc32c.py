"""Tests of l2l_tf/core/crc32c.py."""

import random

import pytest
import tensorflow as tf

from l2l_tf.core import crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    # RFC 3720, appendix B.4; the first one is the usual check value.
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
)
def test_published_values(data, expected):
    assert crc32c.checksum(data) == expected


@pytest.mark.parametrize(
    "size", [1, 2, 3, 4, 5, 31, 64, 65, 1000, 2**20 - 1, 2**20, 2**20 + 5]
)
def test_every_length_agrees_with_tensorflow(size, tmp_path):
    data = random.Random(size).randbytes(size)
    with tf.io.TFRecordWriter(str(tmp_path / "file")) as writer:
        writer.write(data)
    # The record's checksum comes last.
    expected = int.from_bytes((tmp_path / "file").read_bytes()[-4:], "little")
    assert crc32c.masked(data) == expected

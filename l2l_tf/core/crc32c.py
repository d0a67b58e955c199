"""CRC-32C of bytes, as TensorFlow's files have it, on whole arrays at once."""

from __future__ import annotations

import numpy as np

_SEGMENT = 2**20
_LANE_BITS = np.arange(32, dtype=np.uint32)


def masked(data: bytes | memoryview) -> int:
    """Returns the checksum of some bytes, masked as in TensorFlow's files.

        ((c >> 15 | c << 17) + 0xa282ead8) mod 2^32

    Source: tensorflow/core/lib/hash/crc32c.h.
    """
    crc = checksum(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def checksum(data: bytes | memoryview) -> int:
    """Returns the CRC-32C (Castagnoli) of some bytes.

    Source: RFC 3720, appendix B.4.
    """
    register = 0xFFFFFFFF
    for start in range(0, len(data), _SEGMENT):
        segment = np.frombuffer(data[start : start + _SEGMENT], np.uint8)
        register = _advance(register, segment)
    return register ^ 0xFFFFFFFF


def _advance(register: int, segment: np.ndarray) -> int:
    """Feeds bytes to a register.

    The register is a linear function, over bits, of its last value and of the
    bytes. So the bytes are cut into lanes that are fed side by side, each from
    a register of zeros, and joined: a lane's length of zero bytes, fed to each
    of the 32 bits alone, tells what becomes of what came before.
    """
    if len(segment) < 4:
        return _one_by_one(register, segment)
    num_lanes = 1 << (len(segment).bit_length() // 2)
    length = -(-len(segment) // num_lanes)
    # Zero bytes do not change a register of zeros: fill up at the front.
    padded = np.zeros(num_lanes * length, np.uint8)
    front = len(padded) - len(segment)
    padded[front:] = segment
    # The last value acts as if added to the first four bytes.
    padded[front : front + 4] ^= np.frombuffer(
        register.to_bytes(4, "little"), np.uint8
    )
    columns = np.ascontiguousarray(padded.reshape(num_lanes, length).T)
    lanes = np.zeros(num_lanes, np.uint32)
    bits = np.uint32(1) << _LANE_BITS
    for column in columns:
        lanes = _TABLE[(lanes ^ column) & 255] ^ (lanes >> 8)
        bits = _TABLE[bits & 255] ^ (bits >> 8)
    joined = np.uint32(0)
    for lane in lanes:
        is_set = (joined >> _LANE_BITS) & 1 == 1
        joined = np.bitwise_xor.reduce(bits[is_set]) ^ lane
    return int(joined)


def _one_by_one(register: int, segment: np.ndarray) -> int:
    for byte in segment.tolist():
        register = int(_TABLE[(register ^ byte) & 255]) ^ (register >> 8)
    return register


def _make_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ 0x82F63B78, table >> 1)
    return table.astype(np.uint32)


_TABLE = _make_table()

"""Frames: the records of the log, each with a header, a payload and a chained checksum."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import crc32c

HEADER = struct.Struct("<IIBBHIQQqQ")
HEADER_BYTES = HEADER.size
_CHECKED_FROM = 8
PAYLOAD_BYTES_MAX = (1 << 31) - 1


class Kind(IntEnum):
    """What a frame is about; only `DATA` consumes seqs."""

    DATA = 1
    DERIVED = 2
    TICK = 3
    IDEMPOTENCY = 4
    SUBSCRIPTION = 5
    ROLL = 6


class Operation(IntEnum):
    """What a frame does: `EXPIRE` comes in a tick, all the others but `NONE` are data."""

    NONE = 0
    INSERT_POINTS = 1
    CONFIGURE = 2
    DELETE_POINTS = 3
    SET_ATTRIBUTES = 4
    EXPIRE = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One record of the log.

    `first_seq` is the first of the `count` seqs a data frame consumes; for other kinds it is the
    seq the frame follows, `count` is 0, and `sub` numbers the frames of one seq. The payloads of
    INSERT_POINTS and DELETE_POINTS are Arrow record batch messages, the others are JSON.
    """

    kind: Kind
    operation: Operation
    history: int
    first_seq: int
    count: int
    recorded_at: int
    payload: Any
    sub: int = 0

    @property
    def last_seq(self) -> int:
        """The last seq this frame consumes, or the one it follows."""
        return self.first_seq + max(self.count, 1) - 1


def frame_bytes(payload_bytes: int) -> int:
    """Bytes a frame takes in the log: header, payload, padding to eight."""
    return HEADER_BYTES + (payload_bytes + 7) // 8 * 8


def encode_frame(frame: Frame, seed: int) -> tuple[bytes, int]:
    """The frame's bytes and its checksum, which seeds that of the next frame.

    Seeding each checksum with the one before makes the last one a rolling hash of the whole log,
    and keeps stale bytes behind a shortened tail from ever passing for a frame.
    """
    payload = bytes(frame.payload)
    header = HEADER.pack(
        len(payload),
        0,
        frame.kind,
        frame.operation,
        0,
        frame.count,
        frame.history,
        frame.first_seq,
        frame.recorded_at,
        frame.sub,
    )
    checksum = crc32c(payload, crc32c(header[_CHECKED_FROM:], seed))
    # The length is covered too, last, so that the chain also binds where the payload ends.
    checksum = crc32c(header[:4], checksum)
    padding = bytes(-len(payload) % 8)
    return b"".join((header[:4], checksum.to_bytes(4, "little"), header[8:], payload, padding)), (
        checksum
    )


def decode_frame(buffer: memoryview, offset: int, seed: int) -> tuple[Frame, int, int] | None:
    """The frame at `offset`, the offset behind it and its checksum; None if none is valid there."""
    if offset + HEADER_BYTES > len(buffer):
        return None
    fields = HEADER.unpack_from(buffer, offset)
    length, checksum, kind, operation, reserved, count, history, first_seq, recorded, sub = fields
    start = offset + HEADER_BYTES
    end = offset + frame_bytes(length)
    if kind == 0 or reserved or length > PAYLOAD_BYTES_MAX or end > len(buffer):
        return None
    payload = buffer[start : start + length]
    found = crc32c(bytes(buffer[offset + _CHECKED_FROM : start]), seed)
    if length:
        found = crc32c(payload, found)
    if crc32c(bytes(buffer[offset : offset + 4]), found) != checksum:
        return None
    try:
        what = (Kind(kind), Operation(operation))
    except ValueError:
        raise CorruptError(
            f"a sound frame of kind {kind}.{operation} is unknown; a newer tsvec wrote this log"
        ) from None
    return Frame(*what, history, first_seq, count, recorded, payload, sub), end, checksum

"""One file of the log: a checked header, two watermark slots, then frames in preallocated space."""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import crc32c
from tsvec.storage.files import Files

HEADER_BYTES = 4_096
_MAGIC = b"TSVECLOG"
_VERSION = 1
_HEADER = struct.Struct("<8sIIQQQQq")
_SLOT = struct.Struct("<IIQQQ")
_SLOT_OFFSETS = (1_024, 2_048)
"""Each slot lies in a sector of its own, so that a torn write can damage one only."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a segment is certainly on disk: `offset` is behind a frame that ends with `seq`."""

    turn: int
    seq: int
    offset: int
    chain: int


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself: the seq and checksum it continues from, and since when."""

    number: int
    history: int
    first_seq: int
    capacity: int
    chain: int
    created_at: int

    def encode(self) -> bytes:
        """The header's bytes, its own crc32c first."""
        body = _HEADER.pack(
            _MAGIC,
            _VERSION,
            self.chain,
            self.number,
            self.history,
            self.first_seq,
            self.capacity,
            self.created_at,
        )
        return crc32c(body).to_bytes(4, "little") + body


class Segment:
    """An open segment. Frames are written by the log; this class knows places, not contents."""

    def __init__(self, path: Path, handle: int, header: SegmentHeader, mark: Watermark) -> None:
        self.path = path
        self.header = header
        self.mark = mark
        self._handle = handle

    @staticmethod
    def path_of(directory: Path, number: int) -> Path:
        """Where the segment of this number lies."""
        return directory / f"{number:010d}.log"

    @classmethod
    def create(cls, files: Files, directory: Path, header: SegmentHeader) -> Self:
        """A new segment with all its space allocated, durable under its name."""
        path = cls.path_of(directory, header.number)
        scratch = path.with_suffix(".tmp")
        handle = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(handle, 0, header.capacity)
            os.pwrite(handle, header.encode(), 0)
            mark = Watermark(0, header.first_seq - 1, HEADER_BYTES, header.chain)
            segment = cls(path, handle, header, mark)
            segment.write_mark(mark)
            os.fsync(handle)
            files.rename(scratch, path)
        except OSError:
            os.close(handle)
            scratch.unlink(missing_ok=True)
            raise
        return segment

    @classmethod
    def open(cls, path: Path, *, writable: bool = True) -> Self:
        """An existing segment; CorruptError if its header or both its slots are damaged."""
        handle = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            page = os.pread(handle, HEADER_BYTES, 0)
            header = _decode_header(path, page)
            marks = [mark for at in _SLOT_OFFSETS if (mark := _decode_slot(page, at)) is not None]
            if not marks:
                raise CorruptError(f"{path}: both watermark slots are damaged")
            mark = max(marks, key=lambda found: found.turn)
            size = os.fstat(handle).st_size
            if size < mark.offset:
                raise CorruptError(
                    f"{path} was cut to {size} bytes; it is known to have held {mark.offset}"
                )
        except CorruptError:
            os.close(handle)
            raise
        return cls(path, handle, header, mark)

    def write_mark(self, mark: Watermark) -> None:
        """Write a watermark into the slot whose turn it is; the next fdatasync makes it durable."""
        body = _SLOT.pack(mark.chain, 0, mark.turn, mark.seq, mark.offset)
        slot = crc32c(body).to_bytes(4, "little") + body
        os.pwrite(self._handle, slot, _SLOT_OFFSETS[mark.turn % 2])
        self.mark = mark

    def write_at(self, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._handle, view, offset)
            view, offset = view[written:], offset + written

    def sync(self) -> None:
        """Make everything written so far durable."""
        os.fdatasync(self._handle)

    def map(self) -> memoryview:
        """The bytes of the file, read-only, as they are and as they become."""
        size = os.fstat(self._handle).st_size
        return memoryview(mmap.mmap(self._handle, size, prot=mmap.PROT_READ))

    def close(self) -> None:
        """Let the file go."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _decode_header(path: Path, page: bytes) -> SegmentHeader:
    body = page[4 : 4 + _HEADER.size]
    if len(page) < HEADER_BYTES or crc32c(body) != int.from_bytes(page[:4], "little"):
        raise CorruptError(f"{path}: the segment header is damaged or cut short")
    magic, version, chain, number, history, first_seq, capacity, created = _HEADER.unpack(body)
    if magic != _MAGIC or version != _VERSION:
        raise CorruptError(f"{path}: not a log segment of version {_VERSION}")
    if path.name != Segment.path_of(path.parent, number).name:
        raise CorruptError(f"{path}: the file holds segment {number}, it was renamed or exchanged")
    return SegmentHeader(number, history, first_seq, capacity, chain, created)


def _decode_slot(page: bytes, offset: int) -> Watermark | None:
    body = page[offset + 4 : offset + 4 + _SLOT.size]
    if crc32c(body) != int.from_bytes(page[offset : offset + 4], "little"):
        return None
    chain, _, turn, seq, place = _SLOT.unpack(body)
    return Watermark(turn, seq, place, chain) if place >= HEADER_BYTES else None

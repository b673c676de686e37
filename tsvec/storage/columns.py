"""columns.bin: the columns of a partition in one mapped file, checked as they are first touched.

Derived from the partition's DuckDB file and rebuilt from it at need. Layout in docs/format.md: a
checked header page, 4,096-aligned sections, then a crc32c for every MiB of the sections.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tsvec.model.errors import CorruptError
from tsvec.model.vectors import Float32Array
from tsvec.storage.checksums import crc32c

PAGE_BYTES = 4_096
CHUNK_BYTES = 1 << 20
MAGIC = b"TSVECCOL"
VERSION = 1
HEADER = struct.Struct("<8sIIQIIqqdQQ32s")
ENTRY = struct.Struct("<IIQQ")
_UNIT_TOLERANCE = 1e-6


class Section(IntEnum):
    """The columns of the file; `UNIT`, keys and deaths are there only where they are needed."""

    VECTOR = 1
    UNIT = 2
    TIMESTAMP = 3
    SEQ = 4
    RECORDED_AT = 5
    ENTITY = 6
    ENTITY_STARTS = 7
    ENTITY_ROWS = 8
    DICTIONARY_OFFSETS = 9
    DICTIONARY = 10
    METADATA_OFFSETS = 11
    METADATA = 12
    KEY_OFFSETS = 13
    KEYS = 14
    DEAD_SEQ = 15
    DEAD_AT = 16
    DEAD_BY = 17


DTYPES: dict[Section, str] = {
    Section.VECTOR: "<f4",
    Section.UNIT: "<f4",
    Section.TIMESTAMP: "<i8",
    Section.SEQ: "<u8",
    Section.RECORDED_AT: "<i8",
    Section.ENTITY: "<u4",
    Section.ENTITY_STARTS: "<u4",
    Section.ENTITY_ROWS: "<u4",
    Section.DICTIONARY_OFFSETS: "<u8",
    Section.DICTIONARY: "u1",
    Section.METADATA_OFFSETS: "<u8",
    Section.METADATA: "u1",
    Section.KEY_OFFSETS: "<u8",
    Section.KEYS: "u1",
    Section.DEAD_SEQ: "<u8",
    Section.DEAD_AT: "<i8",
    Section.DEAD_BY: "u1",
}


def block_rows(dim: int) -> int:
    """How many vectors are worked on at a time, so that a block is 1 MiB or one vector."""
    return max(1, CHUNK_BYTES // (4 * dim))


def vector_norms(vectors: Float32Array) -> NDArray[np.float64]:
    """Euclidean norms of the rows of a (rows, dim) matrix, in double precision."""
    squares = np.empty(len(vectors))
    step = block_rows(vectors.shape[1])
    for low in range(0, len(vectors), step):
        block = vectors[low : low + step].astype(np.float64)
        squares[low : low + step] = (block * block).sum(axis=1)
    return np.sqrt(squares)


def are_unit(norms: NDArray[np.float64]) -> bool:
    """Whether vectors of these norms have length one, to a millionth."""
    return bool((np.abs(norms - 1.0) <= _UNIT_TOLERANCE).all())


def scaled_to_unit(vectors: Float32Array, norms: NDArray[np.float64]) -> Float32Array:
    """A few vectors divided by their norms; those of length zero stay zero."""
    safe = np.where(norms > 0, norms, 1.0)
    scaled: Float32Array = (vectors.astype(np.float64) / safe[:, None]).astype(np.float32)
    return scaled


def unit_vectors(vectors: Float32Array, norms: NDArray[np.float64]) -> Float32Array | None:
    """The vectors scaled to length one, or None if they already are, to a millionth."""
    if are_unit(norms):
        return None
    unit = np.empty_like(vectors)
    step = block_rows(vectors.shape[1])
    for low in range(0, len(vectors), step):
        block = slice(low, low + step)
        unit[block] = scaled_to_unit(vectors[block], norms[block])
    return unit


class ColumnsFile:
    """A mapped columns.bin. Arrays it returns are read-only views that keep the map alive."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self.path = path
        page = mapped[:PAGE_BYTES]
        if len(page) < PAGE_BYTES or crc32c(page[:-4]) != int.from_bytes(page[-4:], "little"):
            raise CorruptError(f"{path}: the header is damaged or cut short")
        fields = HEADER.unpack_from(page)
        magic, version, count, self.rows, self.dim, checks_crc, *rest = fields
        self.time_min, self.time_max, self.norm_max, content_bytes, _, source = rest
        if magic != MAGIC or version != VERSION:
            raise CorruptError(f"{path}: not a columns file of version {VERSION}")
        self.source = source.hex()
        checks = mapped[PAGE_BYTES + content_bytes :]
        if crc32c(checks) != checks_crc:
            raise CorruptError(f"{path}: the table of checksums is damaged or cut short")
        self._checks = np.frombuffer(checks, "<u4")
        self._bytes = np.frombuffer(mapped, np.uint8)
        self._content_bytes = content_bytes
        self._checked = bytearray(len(self._checks))
        self._begins: dict[Section, int] = {}
        self._chunks: dict[Section, tuple[int, int]] = {}
        self._arrays: dict[Section, NDArray[Any]] = {}
        for i in range(count):
            kind, _, begin, size = ENTRY.unpack_from(page, HEADER.size + i * ENTRY.size)
            section = Section(kind)
            array = self._bytes[begin : begin + size].view(DTYPES[section])
            if section in (Section.VECTOR, Section.UNIT):
                array = array.reshape(self.rows, self.dim)
            self._begins[section] = begin
            first, last = begin - PAGE_BYTES, begin - PAGE_BYTES + size - 1
            self._chunks[section] = (first // CHUNK_BYTES, last // CHUNK_BYTES + 1)
            self._arrays[section] = array

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file and check its header; CorruptError if that is damaged."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(handle).st_size < PAGE_BYTES:
                raise CorruptError(f"{path}: the file was cut short")
            return cls(path, mmap.mmap(handle, 0, prot=mmap.PROT_READ))
        finally:
            os.close(handle)

    def has(self, section: Section) -> bool:
        """Whether the file holds this section."""
        return section in self._arrays

    def count(self, section: Section) -> int:
        """How many elements or rows a section has."""
        return len(self._arrays[section])

    def slice(self, section: Section, low: int, high: int) -> NDArray[Any]:
        """Elements or rows [low, high) of a section, checked."""
        array = self._arrays[section]
        if low < high:
            width = array.strides[0]
            begin = self._begins[section] - PAGE_BYTES
            first = (begin + low * width) // CHUNK_BYTES
            last = (begin + high * width - 1) // CHUNK_BYTES
            if self._checked.find(0, first, last + 1) >= 0:
                self._check_chunks(range(first, last + 1))
        return array[low:high]

    def take(self, section: Section, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Elements or rows of a section by number, checked."""
        array = self._arrays[section]
        if len(rows) and self._checked.find(0, *self._chunks[section]) >= 0:
            width = array.strides[0]
            begins = rows * width + (self._begins[section] - PAGE_BYTES)
            first, last = int(begins.min()), int(begins.max()) + width - 1
            if self._checked.find(0, first // CHUNK_BYTES, last // CHUNK_BYTES + 1) >= 0:
                ends = begins + (width - 1)
                chunks = np.union1d(begins // CHUNK_BYTES, ends // CHUNK_BYTES)
                self._check_chunks(chunks.tolist())
        return array[rows]

    def texts(self, offsets: Section, data: Section, rows: NDArray[np.int64]) -> list[bytes]:
        """The bytes of some rows of a text column, checked."""
        begins = self.take(offsets, rows).tolist()
        ends = self.take(offsets, rows + 1).tolist()
        if self._checked.find(0, *self._chunks[data]) < 0:
            text = self._arrays[data]
            return [text[low:high].tobytes() for low, high in zip(begins, ends, strict=True)]
        return [
            self.slice(data, begin, end).tobytes() for begin, end in zip(begins, ends, strict=True)
        ]

    def check_all(self) -> None:
        """Check every chunk, also those checked before; CorruptError names the first damaged."""
        self._checked = bytearray(len(self._checks))
        self._check_chunks(range(len(self._checks)))

    def _check_chunks(self, chunks: Iterable[int]) -> None:
        for chunk in chunks:
            if self._checked[chunk]:
                continue
            begin = PAGE_BYTES + chunk * CHUNK_BYTES
            end = min(begin + CHUNK_BYTES, PAGE_BYTES + self._content_bytes)
            if crc32c(self._bytes[begin:end]) != self._checks[chunk]:
                raise CorruptError(
                    f"{self.path} is damaged between bytes {begin} and {end}; stop the server and "
                    "run `tsvec verify --repair` to rebuild it from points.duckdb"
                )
            self._checked[chunk] = 1

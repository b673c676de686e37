"""Writing columns.bin in pieces: sections as they come, their checksums, the header last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.storage.checksums import crc32c
from tsvec.storage.columns import (
    CHUNK_BYTES,
    DTYPES,
    ENTRY,
    HEADER,
    MAGIC,
    PAGE_BYTES,
    VERSION,
    Section,
)
from tsvec.storage.files import Files, FileWriter
from tsvec.storage.schema import times_from_arrow
from tsvec.storage.sections.content import VectorFacts, content_of


def write_columns(
    files: Files, path: Path, table: pa.Table, dim: int, *, cosine: bool, source: str
) -> float:
    """Write the file for a table of `partition_schema(dim)`, whose DuckDB file has sha256 `source`.

    The rows are ordered by (timestamp, seq); the same rows give the same bytes, however the table
    is chunked. Returns the Euclidean norm of the longest vector. ValueError if the table is empty
    or not such a table; an OSError leaves a part of the file behind.
    """
    if len(table) == 0:
        raise ValueError("a partition has at least one row")
    facts = VectorFacts()
    with files.writing(path) as file:
        file.offset = PAGE_BYTES
        content = _ContentWriter(file)
        for section, stream in content_of(table, dim, facts, cosine=cosine):
            content.begin(section)
            for values in stream:
                content.add(values)
            content.end()
        checks = content.checks()
        file.write(checks)
        header = HEADER.pack(
            MAGIC,
            VERSION,
            content.sections,
            len(table),
            dim,
            crc32c(checks),
            _time(table, 0),
            _time(table, len(table) - 1),
            facts.norm_max,
            content.size,
            0,
            bytes.fromhex(source),
        )
        page = (header + content.entries).ljust(PAGE_BYTES - 4, b"\0")
        # Last, so that a file that was cut off while it was written has no header.
        file.write_at(page + crc32c(page).to_bytes(4, "little"), 0)
    return facts.norm_max


def _time(table: pa.Table, row: int) -> int:
    return int(times_from_arrow(table["timestamp"].slice(row, 1))[0])


class _ContentWriter:
    """The sections behind the header page: writes them, aligned, and checks every MiB of them.

    `sections` counts them, `entries` describes them, `size` are their bytes with the padding.
    """

    def __init__(self, file: FileWriter) -> None:
        self.sections = 0
        self.size = 0
        self.entries = b""
        self._file = file
        self._section = Section.VECTOR
        self._begin = 0
        self._checks: list[int] = []
        self._check = 0
        self._unchecked = 0

    def begin(self, section: Section) -> None:
        """Begin a section, at the end of the one before."""
        self._section = section
        self._begin = self.size

    def add(self, values: NDArray[Any]) -> None:
        """Add elements or rows to the section, at most a MiB of them at a time."""
        flat = values.reshape(-1)
        dtype = np.dtype(DTYPES[self._section])
        step = CHUNK_BYTES // dtype.itemsize
        for low in range(0, len(flat), step):
            piece = np.ascontiguousarray(flat[low : low + step], dtype=dtype)
            self._write(piece.view(np.uint8))

    def end(self) -> None:
        """Note the section and pad the file for the next."""
        size = self.size - self._begin
        self.entries += ENTRY.pack(self._section, 0, PAGE_BYTES + self._begin, size)
        self.sections += 1
        self._write(bytes(-size % PAGE_BYTES))

    def checks(self) -> bytes:
        """The crc32c of every MiB written, and of the rest."""
        rest = [self._check] if self._unchecked else []
        return np.array([*self._checks, *rest], "<u4").tobytes()

    def _write(self, piece: bytes | NDArray[np.uint8]) -> None:
        self._file.write(piece)
        self.size += len(piece)
        while len(piece):
            taken = piece[: CHUNK_BYTES - self._unchecked]
            self._check = crc32c(taken, self._check)
            self._unchecked += len(taken)
            if self._unchecked == CHUNK_BYTES:
                self._checks.append(self._check)
                self._check = self._unchecked = 0
            piece = piece[len(taken) :]

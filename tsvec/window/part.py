"""What a query sees of hot and sealed points alike: a part, its rows and their columns."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array, Int64Array

Rows: TypeAlias = slice | Int64Array
"""Rows of a part: a contiguous run, or row numbers."""

Numbers: TypeAlias = NDArray[np.uint32]
"""Entity numbers of the collection's registry."""


def count_rows(rows: Rows) -> int:
    """How many rows a selection has."""
    return int(rows.stop - rows.start) if isinstance(rows, slice) else len(rows)


class Part(Protocol):
    """A run of stored points. Columns come as arrays, one element a selected row."""

    @property
    def name(self) -> str:
        """Names the part in plans and errors."""

    @property
    def rows(self) -> int:
        """How many points it holds."""

    @property
    def is_hot(self) -> bool:
        """Whether its points are not yet sealed."""

    @property
    def time_min(self) -> int:
        """No event time (µs) is below this."""

    @property
    def time_max(self) -> int:
        """No event time (µs) is above this."""

    @property
    def norm_max(self) -> float:
        """No vector is longer than this."""

    def select(self, start: int, end: int) -> Rows:
        """Rows with start <= event time < end."""

    def rows_of(self, entity_id: str, start: int, end: int) -> Int64Array:
        """The same of one entity, ordered by (event time, seq)."""

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by: of unit length under cosine, else as stored. (rows, dim)."""

    def vectors(self, rows: Rows) -> Float32Array:
        """Vectors as they were given. (rows, dim)."""

    def times(self, rows: Rows) -> Int64Array:
        """Event times, µs since 1970 UTC."""

    def seqs(self, rows: Rows) -> NDArray[np.uint64]:
        """Seqs."""

    def recorded(self, rows: Rows) -> Int64Array:
        """Recorded times, µs since 1970 UTC."""

    def entities(self, rows: Rows) -> Numbers:
        """Entity numbers."""

    def entity_id(self, row: int) -> str:
        """The entity of one row."""

    def metadata(self, rows: Int64Array) -> list[bytes]:
        """Compact JSON of the rows' metadata."""

    def keys(self, rows: Int64Array) -> list[str | None]:
        """The keys of the rows, None where none was given."""

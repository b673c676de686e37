"""What a query sees of hot and sealed points alike: a part, its rows and their columns."""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.storage.overlay import Deaths
from tsvec.window.masks.documents import DocumentRun

Rows: TypeAlias = slice | Int64Array
"""Rows of a part: a contiguous run, or row numbers."""

Numbers: TypeAlias = NDArray[np.uint32]
"""Entity numbers of the collection's registry."""

Seqs: TypeAlias = NDArray[np.uint64]
"""Numbers of changes."""

ALIVE: Final = np.uint64(2**64 - 1)
"""The seq by which a living row died: later than any change."""


def count_rows(rows: Rows) -> int:
    """How many rows a selection has."""
    return int(rows.stop - rows.start) if isinstance(rows, slice) else len(rows)


def keep_rows(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """The rows of a selection whose element of `keep` is true; the selection itself if all are."""
    if keep.all():
        return rows
    kept: Int64Array = np.flatnonzero(keep)
    return kept + rows.start if isinstance(rows, slice) else rows[kept]


class Columns(Protocol):
    """The columns of a run of stored versions: arrays, one element a selected row."""

    @property
    def name(self) -> str:
        """Names the part in plans and errors."""

    @property
    def rows(self) -> int:
        """How many versions it holds, dead ones included."""

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

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by: of unit length under cosine, else as stored. (rows, dim)."""

    def vectors(self, rows: Rows) -> Float32Array:
        """Vectors as they were given. (rows, dim)."""

    def times(self, rows: Rows) -> Int64Array:
        """Event times, µs since 1970 UTC."""

    def seqs(self, rows: Rows) -> Seqs:
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

    @property
    def metadata_run(self) -> DocumentRun:
        """The metadata of all rows, for filters."""


class Part(Columns, Protocol):
    """What a query reads of a run of versions: those that its window set shows."""

    def select(self, start: int, end: int) -> Rows:
        """Rows with start <= event time < end."""

    def rows_of(self, entity_id: str, start: int, end: int) -> Int64Array:
        """The same of one entity, ordered by (event time, seq)."""


class StoredPart(Part, Protocol):
    """A run of stored versions as it is kept: all of them, and which of them died."""

    @property
    def seq_min(self) -> int:
        """No seq is below this."""

    @property
    def seq_max(self) -> int:
        """No seq is above this."""

    @property
    def recorded_min(self) -> int:
        """No recorded time (µs) is below this."""

    @property
    def recorded_max(self) -> int:
        """No recorded time (µs) is above this."""

    @property
    def has_deaths(self) -> bool:
        """Whether any of its versions was replaced or deleted."""

    @property
    def death_marks(self) -> int:
        """Grows whenever something here dies."""

    def dead_seqs(self, rows: Rows) -> Seqs | None:
        """The seq each row died by, `ALIVE` where it lives; None if all of them live."""

    def deaths(self) -> Deaths:
        """Every death, by row."""

    def bury(self, deaths: Deaths) -> None:
        """Let living rows die. Only the thread that writes may call this."""

    def find_versions(self, numbers: Numbers, times: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Every version of some (entity number, event time): places in the question, and rows."""

    def text_columns(self) -> tuple[pa.Array, pa.Array]:
        """The keys (large_string) and metadata (large_binary) of all rows."""

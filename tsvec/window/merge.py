"""Many parts become one run ordered by (event time, seq), and tables of it a piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array
from tsvec.storage.overlay import DeathCause, Deaths
from tsvec.storage.schema import partition_schema, times_to_arrow, vectors_to_arrow
from tsvec.window.deaths import no_deaths
from tsvec.window.entities import EntityRegistry
from tsvec.window.part import ALIVE, StoredPart

_EVERYTHING = slice(0, None)
_GATHER_ROWS = 2_048
"""Rows gathered at a time: copying more would keep other threads waiting for the interpreter."""


@dataclass(frozen=True, slots=True)
class _DeathColumns:
    """Seq (`ALIVE` where none), recorded time and cause of the death of each row."""

    seq: NDArray[np.uint64]
    at: Int64Array
    by: NDArray[np.uint8]

    def take(self, rows: Int64Array) -> _DeathColumns:
        return _DeathColumns(self.seq[rows], self.at[rows], self.by[rows])


class MergedRun:
    """The rows of some parts in order, as they were when it was made.

    Rows that died by `purge_seq` are left out. `times` (µs) are those of the run.
    """

    def __init__(
        self,
        sources: Sequence[StoredPart],
        registry: EntityRegistry,
        dim: int,
        *,
        purge_seq: int = 0,
    ) -> None:
        self._sources = tuple(sources)
        self._registry = registry
        self._dim = dim
        self._offsets = np.cumsum([0, *(part.rows for part in sources)])
        self._marks = self._count_marks()
        deaths = _death_columns(sources)
        times = np.concatenate([part.times(_all(part)) for part in sources])
        seqs = np.concatenate([part.seqs(_all(part)) for part in sources])
        order = np.lexsort((seqs, times))
        if purge_seq and deaths is not None:
            order = order[deaths.seq[order] > purge_seq]
        self._order: Int64Array = order
        self._seqs = seqs
        self._deaths = None if deaths is None else deaths.take(order)
        self.times: Int64Array = times[order]
        self._texts: tuple[pa.Array, pa.Array] | None = None

    def __len__(self) -> int:
        return len(self._order)

    def table(self, piece: slice = _EVERYTHING) -> pa.Table:
        """A piece of the run as a table of `partition_schema(dim)`."""
        order = self._order[piece]
        recorded = np.empty(len(order), np.int64)
        numbers = np.empty(len(order), np.uint32)
        for part, places, rows in self._by_source(order):
            recorded[places] = part.recorded(rows)
            numbers[places] = part.entities(rows)
        present, place = np.unique(numbers, return_inverse=True)
        registry, seq = self._registry, int(self._seqs.max(initial=0))
        ids = [registry.id_of(number) for number in present.tolist()]
        types = registry.types.at_all(present, seq)
        keys, metadata = self._text_columns()
        indices = pa.array(order)
        columns = [
            pa.array(ids, pa.large_string()).take(pa.array(place)),
            pa.array(types, pa.large_string()).take(pa.array(place)),
            times_to_arrow(self.times[piece]),
            keys.take(indices),
            pa.array(self._seqs[order]),
            times_to_arrow(recorded),
            self._vectors(order),
            metadata.take(indices).cast(pa.large_string()),
            *self._death_arrays(piece, len(order)),
        ]
        return pa.Table.from_arrays(columns, schema=partition_schema(self._dim))

    def deaths_since(self, piece: slice) -> Deaths:
        """The rows of a piece that died after the run was made, by their number in the piece."""
        if self._count_marks() == self._marks:
            return no_deaths()
        present = _death_columns(self._sources)
        if present is None:
            return no_deaths()
        mine = present.take(self._order[piece])
        before = ALIVE if self._deaths is None else self._deaths.seq[piece]
        rows = np.flatnonzero(mine.seq != before)
        return Deaths(rows, mine.seq[rows], mine.at[rows], mine.by[rows])

    def _count_marks(self) -> tuple[int, ...]:
        return tuple(part.death_marks for part in self._sources)

    def _text_columns(self) -> tuple[pa.Array, pa.Array]:
        if self._texts is None:
            keys, metadata = zip(*(part.text_columns() for part in self._sources), strict=True)
            self._texts = pa.concat_arrays(keys), pa.concat_arrays(metadata)
        return self._texts

    def _vectors(self, order: Int64Array) -> pa.ChunkedArray:
        chunks = []
        for begin in range(0, len(order), _GATHER_ROWS):
            some = order[begin : begin + _GATHER_ROWS]
            block = np.empty((len(some), self._dim), np.float32)
            for part, places, rows in self._by_source(some):
                block[places] = part.vectors(rows)
            chunks.append(vectors_to_arrow(block))
        return pa.chunked_array(chunks, pa.list_(pa.float32(), self._dim))

    def _by_source(
        self, order: Int64Array
    ) -> list[tuple[StoredPart, NDArray[np.int64], Int64Array]]:
        """The part, places in `order` and rows of the part that each source has there."""
        source = np.searchsorted(self._offsets, order, side="right") - 1
        found = []
        for number in np.unique(source).tolist():
            places = np.flatnonzero(source == number)
            rows = order[places] - self._offsets[number]
            found.append((self._sources[number], places, rows))
        return found

    def _death_arrays(self, piece: slice, count: int) -> list[pa.Array]:
        schema = partition_schema(self._dim)
        kinds = [schema.field(name).type for name in ("dead_seq", "dead_at", "dead_by")]
        if self._deaths is None:
            return [pa.nulls(count, kind) for kind in kinds]
        alive = self._deaths.seq[piece] == ALIVE
        seqs = pa.array(self._deaths.seq[piece], mask=alive)
        at = pa.array(self._deaths.at[piece], mask=alive).cast(kinds[1])
        return [seqs, at, _names_of_causes().take(pa.array(self._deaths.by[piece]))]


@cache
def _names_of_causes() -> pa.Array:
    """The names of `DeathCause`s by their numbers, which count from 1.

    Not made at import: the first array that is made of Python objects imports pandas, if there is
    one, which takes longer than all of tsvec.
    """
    return pa.array([None, *(cause.name.lower() for cause in DeathCause)], pa.large_string())


def _all(part: StoredPart) -> slice:
    return slice(0, part.rows)


def _death_columns(sources: Sequence[StoredPart]) -> _DeathColumns | None:
    """The deaths of all rows of the sources, one after the other; None if nothing died."""
    if not any(part.has_deaths for part in sources):
        return None
    rows = sum(part.rows for part in sources)
    columns = _DeathColumns(
        np.full(rows, ALIVE, np.uint64), np.zeros(rows, np.int64), np.zeros(rows, np.uint8)
    )
    begin = 0
    for part in sources:
        deaths = part.deaths()
        places = deaths.row + begin
        columns.seq[places] = deaths.seq
        columns.at[places] = deaths.at
        columns.by[places] = deaths.by
        begin += part.rows
    return columns

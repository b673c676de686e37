"""Which rows of a part have died: replaced or deleted, by which change and when.

Marks are written in place. A reader asks which rows had died by its own seq, and every mark made
after its window set was published has a later one; so a window set never changes under a reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array
from tsvec.storage.overlay import DeathCause, Deaths
from tsvec.window.part import ALIVE, Rows

__all__ = ["DeathCause", "DeathMap", "Deaths", "deaths_of", "no_deaths"]

_CHUNK_ROWS = 4_096


@dataclass(slots=True)
class _Chunk:
    """The marks of a run of rows."""

    seq: NDArray[np.uint64] = field(default_factory=lambda: np.full(_CHUNK_ROWS, ALIVE, np.uint64))
    at: Int64Array = field(default_factory=lambda: np.zeros(_CHUNK_ROWS, np.int64))
    by: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(_CHUNK_ROWS, np.uint8))


class DeathMap:
    """The deaths of one part since it was written. One thread marks, any number read.

    `unsaved_from` is the first seq of those that are not on disk, None if all are.
    """

    def __init__(self) -> None:
        self._chunks: dict[int, _Chunk] = {}
        self.count = 0
        self.unsaved_from: int | None = None

    def mark(self, deaths: Deaths) -> None:
        """Let rows die that are alive; a row dies once."""
        if not len(deaths.row):
            return
        for number, begin, end in _runs(deaths.row):
            chunk = self._chunks.get(number) or _Chunk()
            places = deaths.row[begin:end] - number * _CHUNK_ROWS
            chunk.at[places] = deaths.at[begin:end]
            chunk.by[places] = deaths.by[begin:end]
            # Last: a reader that sees a seq sees the rest.
            chunk.seq[places] = deaths.seq[begin:end]
            self._chunks[number] = chunk
        self.count += len(deaths.row)
        self.unsave(int(deaths.seq.min()))

    def begin_save(self) -> tuple[Deaths, int | None]:
        """Every death, which will be on disk, and the first seq that was not; for `unsave`."""
        before, self.unsaved_from = self.unsaved_from, None
        return self.entries(), before

    def unsave(self, seq: int | None) -> None:
        """Deaths from this seq on are not on disk."""
        if seq is not None:
            self.unsaved_from = seq if self.unsaved_from is None else min(seq, self.unsaved_from)

    def dead_seqs(self, rows: Rows) -> NDArray[np.uint64] | None:
        """The seq each of some rows died by, `ALIVE` where it lives; None if all of them live."""
        if not self.count:
            return None
        if isinstance(rows, slice):
            return self._slice(rows.start, rows.stop)
        return self._take(rows)

    def entries(self) -> Deaths:
        """Every death, by row."""
        found = []
        for number in sorted(self._chunks):
            chunk = self._chunks[number]
            places = np.flatnonzero(chunk.seq != ALIVE)
            rows = places + number * _CHUNK_ROWS
            found.append((rows, chunk.seq[places], chunk.at[places], chunk.by[places]))
        if not found:
            return no_deaths()
        return Deaths(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _slice(self, low: int, high: int) -> NDArray[np.uint64] | None:
        first, last = low // _CHUNK_ROWS, (high - 1) // _CHUNK_ROWS
        mine = [n for n in self._chunks_between(first, last) if n in self._chunks]
        if low >= high or not mine:
            return None
        found = np.full(high - low, ALIVE, np.uint64)
        for number in mine:
            begin = number * _CHUNK_ROWS
            left, right = max(low, begin), min(high, begin + _CHUNK_ROWS)
            found[left - low : right - low] = self._chunks[number].seq[left - begin : right - begin]
        return found

    def _chunks_between(self, first: int, last: int) -> list[int]:
        if last - first < len(self._chunks):
            return list(range(first, last + 1))
        return [number for number in list(self._chunks) if first <= number <= last]

    def _take(self, rows: Int64Array) -> NDArray[np.uint64] | None:
        found = None
        numbers = rows // _CHUNK_ROWS
        for number in np.unique(numbers).tolist():
            chunk = self._chunks.get(number)
            if chunk is not None:
                if found is None:
                    found = np.full(len(rows), ALIVE, np.uint64)
                mine = numbers == number
                found[mine] = chunk.seq[rows[mine] - number * _CHUNK_ROWS]
        return found


def no_deaths() -> Deaths:
    """Nothing died."""
    return deaths_of(np.empty(0, np.int64), np.empty(0, np.uint64), 0, 0)


def deaths_of(rows: Int64Array, seqs: NDArray[np.uint64], at: int, by: int) -> Deaths:
    """Deaths of rows in any order, all at one time and for one reason, by row."""
    order = np.argsort(rows, kind="stable")
    count = len(rows)
    return Deaths(
        rows[order],
        seqs[order].astype(np.uint64),
        np.full(count, at, np.int64),
        np.full(count, by, np.uint8),
    )


def _runs(rows: Int64Array) -> list[tuple[int, int, int]]:
    """(chunk, begin, end) of the runs of ascending rows that share a chunk."""
    numbers = rows // _CHUNK_ROWS
    found, begins = np.unique(numbers, return_index=True)
    ends = [*begins[1:].tolist(), len(rows)]
    return list(zip(found.tolist(), begins.tolist(), ends, strict=True))

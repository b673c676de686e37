"""What a page may hold of the rows of many parts, kept down to what still may be on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array
from tsvec.window.part import Numbers, Part, Rows, Seqs


@dataclass(frozen=True, slots=True)
class Located:
    """Rows of several parts, one element each: row `row[i]` of `parts[source[i]]`."""

    parts: Sequence[Part]
    source: NDArray[np.int64]
    row: Int64Array
    time: Int64Array
    number: Numbers
    seq: Seqs

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def none(cls, parts: Sequence[Part]) -> Located:
        """No rows of these parts."""
        return cls(parts, *_NOTHING)

    @classmethod
    def of(cls, parts: Sequence[Part], source: int, rows: Rows) -> Located:
        """Rows of one of some parts."""
        part = parts[source]
        row = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return cls(
            parts,
            np.full(len(row), source, np.int64),
            row,
            part.times(rows),
            part.entities(rows),
            part.seqs(rows),
        )

    def take(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> Located:
        """Only those, in this order."""
        return Located(
            self.parts,
            self.source[places],
            self.row[places],
            self.time[places],
            self.number[places],
            self.seq[places],
        )

    def with_(self, other: Located) -> Located:
        """These, then those of another of the same parts."""
        return Located(
            self.parts,
            np.concatenate([self.source, other.source]),
            np.concatenate([self.row, other.row]),
            np.concatenate([self.time, other.time]),
            np.concatenate([self.number, other.number]),
            np.concatenate([self.seq, other.seq]),
        )

    def keys(self) -> list[str]:
        """The key of each, empty where it has none."""
        found = [""] * len(self)
        for source in np.unique(self.source).tolist():
            places = np.flatnonzero(self.source == source)
            keys = self.parts[source].keys(self.row[places])
            for place, key in zip(places.tolist(), keys, strict=True):
                found[place] = key or ""
        return found

    def places(self) -> list[tuple[Part, int]]:
        """(part, row) of each."""
        pairs = zip(self.source.tolist(), self.row.tolist(), strict=True)
        return [(self.parts[source], row) for source, row in pairs]


_NOTHING = (
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.uint32),
    np.empty(0, np.uint64),
)


def first_places(
    major: Int64Array, minor: Callable[[NDArray[np.int64]], Int64Array], count: int
) -> NDArray[np.int64]:
    """The places of the `count` least by (major, minor), in no order, and of those equal to the
    greatest of them. `minor` is asked only for places where it matters.
    """
    if len(major) <= count:
        return np.arange(len(major))
    until = np.partition(major, count - 1)[count - 1]
    sure, tied = np.flatnonzero(major < until), np.flatnonzero(major == until)
    left = count - len(sure)
    if len(tied) > left:
        ranks = minor(tied)
        tied = tied[ranks <= np.partition(ranks, left - 1)[left - 1]]
    return np.concatenate([sure, tied])

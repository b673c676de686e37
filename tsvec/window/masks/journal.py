"""The attributes of all entities in the order of their changes, as documents that filters test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tsvec.model.vectors import Int64Array
from tsvec.window.masks.documents import DocumentRun, MaskShelf

_CAPACITY_MIN = 1_024
_NOTHING = b"{}"
"""The attributes of an entity that was given none; they are the first document."""


class AttributeJournal:
    """A block of documents, one a change, that is replaced by a larger one when it is full.

    One thread appends, any number read; what was appended never changes.
    """

    def __init__(self, entries: Sequence[tuple[int, int, bytes | None]]) -> None:
        """Of entries (seq, entity number, attributes), by seq."""
        self.shelf = MaskShelf()
        self.capacity = max(_CAPACITY_MIN, 2 * (len(entries) + 1))
        self.rows = 1
        self._texts = [_NOTHING]
        self._seqs = np.zeros(self.capacity, np.int64)
        self._numbers = np.zeros(self.capacity, np.int64)
        self._newest = np.zeros(_CAPACITY_MIN, np.int64)
        for seq, number, value in entries:
            self.append(number, seq, value)

    def append(self, number: int, seq: int, value: bytes | None) -> bool:
        """Add what the attributes of an entity (None: nothing) became with a change.

        False, and nothing done, if it is full or has a later change.
        """
        row = self.rows
        if row == self.capacity or seq < self._seqs[row - 1]:
            return False
        if number >= len(self._newest):
            more = np.zeros(max(number + 1, 2 * len(self._newest)), np.int64)
            more[: len(self._newest)] = self._newest
            self._newest = more
        self._texts.append(_NOTHING if value is None else value)
        self._seqs[row] = seq
        self._numbers[row] = number
        self._newest[number] = row
        # Last: a reader that counts a row finds all of it.
        self.rows = row + 1
        return True

    def run_until(self, seq: int) -> DocumentRun:
        """The documents of the changes up to this one, and the first."""
        seqs = self._seqs[1 : self.rows]
        return DocumentRun(self, 0, 1 + int(np.searchsorted(seqs, seq, side="right")))

    def in_force(self, run: DocumentRun, count: int) -> Int64Array:
        """Which of the documents of a run tells the attributes of each of `count` entities."""
        found = np.zeros(count, np.int64)
        newest = self._newest[:count]
        found[: len(newest)] = newest
        if (found < run.end).all():
            return found
        found[:] = 0
        numbers = self._numbers[: run.end]
        # Of several rows of one entity the last one stays.
        known = numbers < count
        known[0] = False
        found[numbers[known]] = np.flatnonzero(known)
        return found

    def documents(self, rows: slice | Int64Array) -> pa.Array:
        """Some documents, as large_binary."""
        if isinstance(rows, slice):
            return pa.array(self._texts[rows], pa.large_binary())
        return pa.array([self._texts[row] for row in rows.tolist()], pa.large_binary())

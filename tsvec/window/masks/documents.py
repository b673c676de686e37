"""Runs of JSON documents that predicates are evaluated over, and the masks kept of each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array
from tsvec.storage.predicates.sql import CompiledPredicate

CHUNK_ROWS: Final = 8_192
"""Rows are evaluated by chunks of this many, so that a short range of a large part is cheap."""

OVERHEAD_BYTES: Final = 1_024
"""What a mask takes besides its rows, about."""


class RowMask:
    """Of which documents of a block a predicate holds, as far as that is known.

    What is known is read without a lock, and is written before it is said to be known. `lock` is
    held by who adds to it.
    """

    __slots__ = ("_is_whole", "_known", "_values", "lock", "used")

    def __init__(self, capacity: int) -> None:
        self.lock = threading.Lock()
        self.used = True
        self._is_whole = False
        self._values = np.zeros(capacity, np.bool_)
        self._known = np.zeros(-(-capacity // CHUNK_ROWS), np.int64)

    @property
    def bytes(self) -> int:
        """What it takes, about."""
        return len(self._values) + OVERHEAD_BYTES

    def values(self, rows: slice | Int64Array) -> NDArray[np.bool_]:
        """The known values of some rows."""
        return self._values[rows]

    def missing(self, rows: slice | Int64Array, end: int) -> list[tuple[int, int]]:
        """Runs of documents to evaluate so that those of `rows` are known; none if they are.

        The block has `end` documents. A chunk is evaluated as far as there are any.
        """
        if self._is_whole:
            return []
        span = rows if isinstance(rows, slice) else _span(rows)
        if span.start >= span.stop:
            return []
        chunks = np.arange(span.start // CHUNK_ROWS, -(-span.stop // CHUNK_ROWS))
        lacking = self._lacking(chunks, end)
        if lacking and not isinstance(rows, slice):
            lacking = self._lacking(np.unique(rows // CHUNK_ROWS), end)
        return lacking

    def _lacking(self, chunks: Int64Array, end: int) -> list[tuple[int, int]]:
        """What is not known of some chunks, ascending."""
        begins = chunks * CHUNK_ROWS
        lows = begins + self._known[chunks]
        highs = np.minimum(begins + CHUNK_ROWS, end)
        runs: list[tuple[int, int]] = []
        for place in np.flatnonzero(lows < highs).tolist():
            low, high = int(lows[place]), int(highs[place])
            if runs and runs[-1][1] == low:
                runs[-1] = (runs[-1][0], high)
            else:
                runs.append((low, high))
        return runs

    def fill(self, low: int, holds: NDArray[np.bool_]) -> None:
        """Add what was evaluated from `low` on, which continues what is known of its chunk."""
        high = low + len(holds)
        self._values[low:high] = holds
        for chunk in range(low // CHUNK_ROWS, -(-high // CHUNK_ROWS)):
            self._known[chunk] = min(high - chunk * CHUNK_ROWS, CHUNK_ROWS)
        self._is_whole = int(self._known.sum()) == len(self._values)


def _span(rows: Int64Array) -> slice:
    return slice(int(rows.min()), int(rows.max()) + 1) if len(rows) else slice(0, 0)


class MaskShelf:
    """The masks of one block of documents, by predicate. They go when the block goes."""

    __slots__ = ("__weakref__", "masks")

    def __init__(self) -> None:
        self.masks: dict[CompiledPredicate, RowMask] = {}


class DocumentBlock(Protocol):
    """JSON documents in a row, of which there may come more until there are `capacity`."""

    @property
    def shelf(self) -> MaskShelf:
        """The masks kept of it."""

    @property
    def capacity(self) -> int:
        """How many documents there can be."""

    def documents(self, rows: slice | Int64Array) -> pa.Array:
        """Some documents, as large_binary."""


@dataclass(frozen=True, slots=True)
class DocumentRun:
    """Documents [begin, end) of a block: what a part shows of it."""

    block: DocumentBlock
    begin: int
    end: int


def rows_of_bytes(documents: pa.Array, bytes_max: int) -> int:
    """How many leading documents (large_binary) are at most so many bytes together; at least one
    of any.
    """
    offsets = np.frombuffer(documents.buffers()[1], np.int64)[documents.offset :]
    offsets = offsets[: len(documents) + 1]
    fitting = int(np.searchsorted(offsets, offsets[0] + bytes_max, side="right")) - 1
    return max(fitting, 1)

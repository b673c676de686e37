"""What one seq and one cutoff show of a part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.window.part import Columns, Numbers, Part, Rows, Seqs, StoredPart, count_rows, keep_rows


class VisiblePart:
    """The versions of a part that were written by `seq`, had not died, and have not expired.

    Columns are those of the part, by its own row numbers: only choosing rows is different.
    """

    def __init__(self, part: StoredPart, seq: int, cutoff: int) -> None:
        self.part = part
        self.name = part.name
        self.rows = part.rows
        self.is_hot = part.is_hot
        self.time_min = max(part.time_min, cutoff)
        self.time_max = part.time_max
        self.norm_max = part.norm_max
        self.metadata_run = part.metadata_run
        self._seq = seq
        self._cutoff = cutoff

    def select(self, start: int, end: int) -> Rows:
        """Visible rows with start <= event time < end."""
        return self.visible(self.part.select(max(start, self._cutoff), end))

    def visible(self, rows: Rows) -> Rows:
        """Those of some rows that are visible; none of the rows given has expired."""
        keep = self._is_visible(rows) if count_rows(rows) else None
        return rows if keep is None else keep_rows(rows, keep)

    def rows_of(self, entity_id: str, start: int, end: int) -> Int64Array:
        """The same of one entity, ordered by (event time, seq)."""
        rows = self.part.rows_of(entity_id, max(start, self._cutoff), end)
        keep = self._is_visible(rows)
        return rows if keep is None else rows[keep]

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by; see `Columns`."""
        return self.part.scan_vectors(rows)

    def vectors(self, rows: Rows) -> Float32Array:
        """Vectors as they were given."""
        return self.part.vectors(rows)

    def times(self, rows: Rows) -> Int64Array:
        """Event times."""
        return self.part.times(rows)

    def seqs(self, rows: Rows) -> Seqs:
        """Seqs."""
        return self.part.seqs(rows)

    def recorded(self, rows: Rows) -> Int64Array:
        """Recorded times."""
        return self.part.recorded(rows)

    def entities(self, rows: Rows) -> Numbers:
        """Entity numbers."""
        return self.part.entities(rows)

    def entity_id(self, row: int) -> str:
        """The entity of one row."""
        return self.part.entity_id(row)

    def metadata(self, rows: Int64Array) -> list[bytes]:
        """Metadata of rows."""
        return self.part.metadata(rows)

    def keys(self, rows: Int64Array) -> list[str | None]:
        """Keys of rows."""
        return self.part.keys(rows)

    def _is_visible(self, rows: Rows) -> NDArray[np.bool_] | None:
        """Which of some rows are visible; None if all are."""
        born = self.part.seqs(rows) <= self._seq if self.part.seq_max > self._seq else None
        dead = self.part.dead_seqs(rows)
        if dead is None:
            return born
        alive: NDArray[np.bool_] = dead > self._seq
        return alive if born is None else born & alive


def is_plain(part: StoredPart, seq: int, cutoff: int) -> bool:
    """Whether all of a part is visible, so that it can be read as it is."""
    return part.seq_max <= seq and part.time_min >= cutoff and not part.has_deaths


def columns_of(part: Part) -> Columns:
    """The columns that a part shows rows of; one object for all views of the same rows."""
    return part.part if isinstance(part, VisiblePart) else part

"""Every point within a radius: counted exactly, and the nearest of them in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tsvec.kernels.distance import Float64Array
from tsvec.kernels.scan import cost_of
from tsvec.query.candidates import Candidates, Search, measure_rows
from tsvec.query.nearest.bounds import CHUNK_ROWS_MAX, Bounds, bound_rows
from tsvec.window.part import Rows, count_rows


@dataclass(frozen=True, slots=True)
class Within:
    """The nearest points within a radius, and how many are within it in all."""

    nearest: Candidates
    matched: int


def find_within(search: Search, radius: float) -> Within:
    """The nearest `k` rows of a search with distance <= radius, and how many rows are so near."""
    target, limit = search.target, search.k
    edge = cost_of(target.metric, radius)
    kept = _Kept(limit)
    matched = measured = 0
    for source in search.sources:
        for rows in search.deadline.each(_chunks(source.rows)):
            bounds = bound_rows(target, source.part, rows)
            inside = bounds.high < edge
            doubtful = np.flatnonzero((bounds.low <= edge) & ~inside)
            if len(doubtful):
                measured += len(doubtful)
                inside[doubtful] = bounds.where(doubtful).measure(target) <= radius
            found = bounds.where(inside)
            matched += len(found.rows)
            kept.add(found)
    nearest = measure_rows(target, [(each.part, each.rows) for each in kept.finish()])
    measured += len(nearest.row)
    nearest = nearest.at(slice(0, limit))
    nearest.measured = measured
    return Within(nearest, matched)


class _Kept:
    """Rows that may be among the nearest `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._found: list[Bounds] = []
        self._count = 0
        self._ceiling = np.inf

    def add(self, found: Bounds) -> None:
        """Take these rows too."""
        near = found.where(found.low <= self._ceiling)
        if len(near.rows):
            self._found.append(near)
            self._count += len(near.rows)
        if self._count > 2 * self._limit + CHUNK_ROWS_MAX:
            self.finish()

    def finish(self) -> list[Bounds]:
        """What is kept, less the rows that are certainly farther away than `limit` others."""
        if self._count > self._limit:
            highest: Float64Array = np.concatenate([each.high for each in self._found])
            self._ceiling = float(np.partition(highest, self._limit - 1)[self._limit - 1])
            self._found = [each.where(each.low <= self._ceiling) for each in self._found]
            self._count = sum(len(each.rows) for each in self._found)
        return [each for each in self._found if len(each.rows)]


def _chunks(rows: Rows) -> Iterator[Rows]:
    """The rows, a chunk at a time."""
    count = count_rows(rows)
    for begin in range(0, count, CHUNK_ROWS_MAX):
        end = min(begin + CHUNK_ROWS_MAX, count)
        if isinstance(rows, slice):
            yield slice(rows.start + begin, rows.start + end)
        else:
            yield rows[begin:end]

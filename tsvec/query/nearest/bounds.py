"""Every row of some sources between bounds: how near it may be and how near it certainly is.

Where `find_nearest` asks a scan for the best few, these questions have to weigh or count every row;
so each gets bounds on its cost, and only rows that the bounds cannot decide are measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.distance import Float64Array, measure_distances
from tsvec.kernels.scan import SAFE_NORM, cost_bounds, scan_all
from tsvec.model.vectors import Int64Array
from tsvec.query.candidates import Target
from tsvec.window.part import Columns, Rows, count_rows

CHUNK_ROWS_MAX = 1 << 16
"""Rows looked at together; it bounds the memory of a question."""

_SPARSE = 8
"""Rows wanted out of this many are compared where they lie; fewer are copied together first."""

_MEASURED = 1e-9
"""Kept away, relatively, from costs made of measured distances, whose rounding is far smaller."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Rows of one part, and between which costs each lies: `low` and `high` of shape (rows,)."""

    part: Columns
    rows: Int64Array
    low: Float64Array
    high: Float64Array

    def where(self, keep: NDArray[np.bool_] | Int64Array) -> Bounds:
        """Only the rows at these places, or whose element of `keep` is true."""
        return Bounds(self.part, self.rows[keep], self.low[keep], self.high[keep])

    def measure(self, target: Target) -> Float64Array:
        """The distances of all rows."""
        return measure_distances(target.metric, target.exact, self.part.vectors(self.rows))


def bound_rows(target: Target, part: Columns, rows: Rows) -> Bounds:
    """The bounds of some rows of a part, at most `CHUNK_ROWS_MAX` and at least one."""
    numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    if max(part.norm_max, target.norm) >= SAFE_NORM:
        low, high = _bounds_of_distances(target, part, numbers)
        return Bounds(part, numbers, low, high)
    costs = _costs(target, part, rows)
    low, high = cost_bounds(target.metric, costs, len(target.vector), target.norm, part.norm_max)
    return Bounds(part, numbers, low, high)


def _costs(target: Target, part: Columns, rows: Rows) -> Float64Array:
    query = target.scan_vector
    if isinstance(rows, slice):
        return scan_all(target.metric, query, part.scan_vectors(rows))
    span = slice(int(rows[0]), int(rows[-1]) + 1)
    if span.stop - span.start > _SPARSE * count_rows(rows):
        return scan_all(target.metric, query, part.scan_vectors(rows))
    return scan_all(target.metric, query, part.scan_vectors(span))[rows - span.start]


def _bounds_of_distances(
    target: Target, part: Columns, numbers: Int64Array
) -> tuple[Float64Array, Float64Array]:
    """Bounds of vectors that are too long to be scanned in single precision."""
    found = measure_distances(target.metric, target.exact, part.vectors(numbers))
    match target.metric:
        case "cosine":
            costs, scale = found - 1.0, 1.0
        case "l2":
            costs, scale = found * found, 0.0
        case "dot":
            costs, scale = found, 0.0
    errors = _MEASURED * (np.abs(costs) + scale)
    return costs - errors, costs + errors

"""The float32 scan that finds candidates, and how far its scores can be from the truth.

A scan's *cost* is what it sorts by, smaller is nearer: minus the inner product for cosine (on unit
vectors) and dot, the squared distance for l2. `cost_of` gives the same in double precision from a
distance, `cost_error` bounds the difference of the two.
"""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.distance import Float64Array, Metric

_ROUNDING = 2.0**-24
_UNIT_TOLERANCE = 1e-6
_SMALLEST = 1.2e-38
SAFE_NORM = 1e15
"""Longer vectors could overflow float32 in the scan and are measured in double precision only."""


def scan_nearest(
    metric: Metric,
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    keep: NDArray[np.bool_] | None = None,
) -> tuple[Float64Array, NDArray[np.int64]]:
    """The k rows of least cost: costs (k,) ascending and row numbers (k,), k <= rows.

    `query` is (dim,), `vectors` (rows, dim), C-contiguous; both of unit length under cosine. With
    `keep` (rows,), only rows where it is true count, at least k of them.
    """
    # faiss keeps its thread count per calling thread; two scans must not fight for the cores.
    faiss.omp_set_num_threads(1)
    scores, rows = np.empty(k, np.float32), np.empty(k, np.int64)
    count, dim = vectors.shape
    bits = None if keep is None else np.packbits(keep, bitorder="little")
    chosen = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    places = (faiss.swig_ptr(scores), faiss.swig_ptr(rows))
    arrays = (faiss.swig_ptr(query), faiss.swig_ptr(vectors))
    if metric == "l2":
        faiss.knn_L2sqr(*arrays, dim, 1, count, k, *places, None, chosen)
        return scores.astype(np.float64), rows
    faiss.knn_inner_product(*arrays, dim, 1, count, k, *places, chosen)
    return -scores.astype(np.float64), rows


def scan_all(
    metric: Metric, query: NDArray[np.float32], vectors: NDArray[np.float32]
) -> Float64Array:
    """The cost of every row, (rows,); arguments as those of `scan_nearest`."""
    rows, dim = vectors.shape
    scores = np.empty(rows, np.float32)
    arrays = (faiss.swig_ptr(scores), faiss.swig_ptr(query), faiss.swig_ptr(vectors))
    if metric == "l2":
        faiss.fvec_L2sqr_ny(*arrays, dim, rows)  # type: ignore[attr-defined]  # not in its stubs
        return scores.astype(np.float64)
    faiss.fvec_inner_products_ny(*arrays, dim, rows)  # type: ignore[attr-defined]
    return -scores.astype(np.float64)


def cost_bounds(
    metric: Metric, costs: Float64Array, dim: int, query_norm: float, norm_max: float
) -> tuple[Float64Array, Float64Array]:
    """Between which numbers `cost_of` of the same points lies, for costs of a scan."""
    if metric == "l2":
        error = cost_error(metric, 1.0, dim, query_norm, norm_max)
        least = cost_error(metric, 0.0, dim, query_norm, norm_max)
        errors = costs * (error - least) + least
        return costs - errors, costs + errors
    error = cost_error(metric, 0.0, dim, query_norm, norm_max)
    return costs - error, costs + error


def cost_of(metric: Metric, distance: float) -> float:
    """The cost, without rounding of a scan, of a point at this distance."""
    match metric:
        case "cosine":
            return distance - 1.0
        case "l2":
            return distance * distance
        case "dot":
            return distance


def cost_error(metric: Metric, cost: float, dim: int, query_norm: float, norm_max: float) -> float:
    """How far a scan's cost near `cost` can be from `cost_of` of the same point.

    Worst case of summing dim products in float32 (Higham, Accuracy and Stability of Numerical
    Algorithms, section 3.1) plus the rounding of unit vectors.
    """
    relative = (dim + 4) * _ROUNDING / (1.0 - (dim + 4) * _ROUNDING)
    match metric:
        case "cosine":
            return relative + _UNIT_TOLERANCE
        case "l2":
            return relative * abs(cost) + dim * _SMALLEST
        case "dot":
            return relative * query_norm * norm_max + dim * _SMALLEST

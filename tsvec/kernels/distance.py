"""Distances in double precision, one row at a time, so that an answer depends on the vector alone.

The sum over a row's elements runs in the same order wherever and with whatever neighbours the row
is stored; products of two float32 are exact in float64. So the same point has bit for bit the same
distance hot or sealed, and after a restart.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "l2", "dot"]
Float64Array = NDArray[np.float64]
_BLOCK_ELEMENTS = 1 << 20


def measure_distances(
    metric: Metric, query: NDArray[np.float32], vectors: NDArray[np.float32]
) -> Float64Array:
    """Distances of `vectors` (rows, dim) to `query`: float64 of shape (rows,).

    `query` is one vector (dim,) or one a row (rows, dim). cosine: 1 - cos, between 0 and 2; l2:
    Euclidean; dot: minus the inner product.
    """
    rows, dim = vectors.shape
    step = max(1, _BLOCK_ELEMENTS // dim)
    if rows <= step:
        return _measure_block(metric, query.astype(np.float64), vectors.astype(np.float64))
    found = np.empty(rows)
    for low in range(0, rows, step):
        part = slice(low, low + step)
        mine = query if query.ndim == 1 else query[part]
        found[part] = measure_distances(metric, mine, vectors[part])
    return found


def _measure_block(metric: Metric, target: Float64Array, block: Float64Array) -> Float64Array:
    if metric == "l2":
        block -= target
        return np.asarray(np.sqrt(_sum_rows(block * block)))
    products = _sum_rows(block * target)
    if metric == "dot":
        return np.asarray(0.0 - products)  # not -0.0 where they are orthogonal
    lengths = np.sqrt(_sum_rows(target * target))
    block *= block
    cosines = products / (np.sqrt(_sum_rows(block)) * lengths)
    return np.asarray(np.minimum(np.maximum(1.0 - cosines, 0.0), 2.0))


def _sum_rows(block: Float64Array) -> Float64Array:
    """Sums over each row, pairwise, in an order that depends on the length of a row alone."""
    return np.asarray(np.add.reduce(block, axis=-1))


def similarity_of(metric: Metric, distance: float) -> float:
    """cosine: cos; l2: 1 / (1 + distance); dot: the inner product."""
    match metric:
        case "cosine":
            return 1.0 - distance
        case "l2":
            return 1.0 / (1.0 + distance)
        case "dot":
            return -distance

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


def measure_distances(
    metric: Metric, query: NDArray[np.float32] | Float64Array, vectors: NDArray[np.float32]
) -> Float64Array:
    """Distances of `vectors` (rows, dim) to `query` (dim,): float64 of shape (rows,).

    cosine: 1 - cos, between 0 and 2; l2: Euclidean; dot: minus the inner product. Both arrays are
    C-contiguous.
    """
    from tsvec.kernels import loops  # compiling, and importing the compiler, take their time

    found = np.empty(len(vectors))
    target = query.astype(np.float64, copy=False)
    match metric:
        case "cosine":
            loops.measure_cosine(vectors, target, found)
        case "l2":
            loops.measure_l2(vectors, target, found)
        case "dot":
            loops.measure_dot(vectors, target, found)
    return found


def warm_up() -> None:
    """Compile the loops, or load them as they were compiled before."""
    from tsvec.kernels import loops  # noqa: F401


def choose_nearest(
    distances: Float64Array, times: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], bool]:
    """The places of the k nearest by (distance, newer first), in order, all of them if fewer.

    Also whether equals were met, of which some may have been left out or be in any order.
    """
    from tsvec.kernels import loops

    places = np.empty(min(k, len(distances)), np.int64)
    _, tied = loops.choose_nearest(distances, times, places)
    return places, tied


def similarity_of(metric: Metric, distance: float) -> float:
    """cosine: cos; l2: 1 / (1 + distance); dot: the inner product."""
    match metric:
        case "cosine":
            return 1.0 - distance
        case "l2":
            return 1.0 / (1.0 + distance)
        case "dot":
            return -distance

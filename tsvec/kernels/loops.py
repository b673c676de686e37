"""The loops behind distances and the choice of the nearest, compiled when first imported.

Everywhere `vectors` is float32 (rows, dim) and `query` float64 (dim,), both C-contiguous.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tsvec.kernels.compiled import compiled

_MEASURE = "void(Array(f4, 2, 'C', readonly=True), Array(f8, 1, 'C', readonly=True), f8[::1])"
_CHOOSE = (
    "Tuple((i8, b1))(Array(f8, 1, 'C', readonly=True), Array(i8, 1, 'C', readonly=True), i8[::1])"
)


@compiled(_MEASURE)
def measure_cosine(vectors: Any, query: Any, found: Any) -> None:
    """1 - cos, between 0 and 2, into `found` (rows,)."""
    length = 0.0
    for i in range(len(query)):
        length += query[i] * query[i]
    length = np.sqrt(length)
    for row in range(len(found)):
        product, square = 0.0, 0.0
        for i in range(len(query)):
            value = np.float64(vectors[row, i])
            product += value * query[i]
            square += value * value
        found[row] = min(max(1.0 - product / (np.sqrt(square) * length), 0.0), 2.0)


@compiled(_MEASURE)
def measure_l2(vectors: Any, query: Any, found: Any) -> None:
    """Euclidean, into `found` (rows,)."""
    for row in range(len(found)):
        square = 0.0
        for i in range(len(query)):
            difference = np.float64(vectors[row, i]) - query[i]
            square += difference * difference
        found[row] = np.sqrt(square)


@compiled(_MEASURE)
def measure_dot(vectors: Any, query: Any, found: Any) -> None:
    """Minus the inner product, into `found` (rows,)."""
    for row in range(len(found)):
        product = 0.0
        for i in range(len(query)):
            product += np.float64(vectors[row, i]) * query[i]
        found[row] = 0.0 - product  # not -0.0 where they are orthogonal


@compiled(_CHOOSE)
def choose_nearest(distances: Any, times: Any, places: Any) -> Any:
    """The places of the first len(places) rows by (distance, newer first), in this order.

    Returns how many there are, and whether rows that are equal in both were met: then which of them
    comes first, or was left out, is for the caller to decide. Insertion into a short sorted list:
    few places, many rows.
    """
    count, tied = 0, False
    for row in range(len(distances)):
        distance, time = distances[row], times[row]
        place = count
        while place > 0:
            other = places[place - 1]
            if distances[other] < distance:
                break
            if distances[other] == distance:
                if times[other] == time:
                    tied = True
                if times[other] >= time:
                    break
            place -= 1
        if place == len(places):
            continue
        if count < len(places):
            count += 1
        for later in range(count - 1, place, -1):
            places[later] = places[later - 1]
        places[place] = row
    return count, tied

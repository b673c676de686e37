"""How age weighs on nearness: weights, and the scores they make of distances.

A score is a weight times a closeness, both between 0 and 1. Each depends on one row alone, so a
point has bit for bit the same score wherever it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.distance import Float64Array, Metric

_HALVINGS_MAX = 1_100.0
"""So old that the weight is zero in double precision, with room to spare."""

_ROUNDING = 1e-12
_SMALLEST = 1e-320


@dataclass(frozen=True, slots=True)
class Decay:
    """Weights are halved with every `half_life` before `at`, both in µs."""

    at: int
    half_life: int

    def weights(self, times: NDArray[np.int64]) -> Float64Array:
        """The weight of each event time (µs), float64 of the same shape; 1 from `at` on."""
        ages = np.maximum(self.at - np.ascontiguousarray(times), 0)
        return np.exp2(ages / -float(self.half_life))

    def bound(self, newest: int) -> float:
        """A score that no point exceeds whose event time is `newest` or earlier."""
        halvings = max(0, self.at - newest) / self.half_life
        if halvings > _HALVINGS_MAX:
            return 0.0
        return float(np.exp2(-halvings)) * (1.0 + _ROUNDING) + _SMALLEST


def closeness_of(metric: Metric, distances: Float64Array) -> Float64Array:
    """cosine: (1 + cos) / 2; l2: 1 / (1 + distance). dot has no closeness: a ValueError."""
    match metric:
        case "cosine":
            return 1.0 - distances / 2.0
        case "l2":
            return 1.0 / (1.0 + distances)
        case "dot":
            raise ValueError("dot products have no closeness between 0 and 1")


def closeness_at_cost(metric: Metric, costs: Float64Array) -> Float64Array:
    """The same of costs as `scan` has them, kept between 0 and 1."""
    distances = np.sqrt(np.maximum(costs, 0.0)) if metric == "l2" else costs + 1.0
    return np.clip(closeness_of(metric, distances), 0.0, 1.0)

"""Every row's bounds hold its true cost, whichever rows are looked at and however they lie."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Sample, random_samples
from tsvec.kernels.scan import cost_of
from tsvec.query.candidates import Target
from tsvec.query.nearest.bounds import bound_rows


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("scale", [1.0, 1e16])
def test_bounds_hold_the_measured_cost(shelf, metric, scale):
    holding = shelf(metric=metric)
    samples = random_samples(200, seed=3)
    scaled = [
        Sample(one.entity_id, one.timestamp, tuple(scale * x for x in one.vector))
        for one in samples
    ]
    holding.commit(scaled[:120])
    holding.seal_all()
    holding.commit(scaled[120:])
    target = Target.of(metric, np.array([1.0, -2.0, 0.5, 3.0], np.float32))
    for part in holding.windows.parts():
        last = part.rows - 1
        for rows in (
            slice(0, part.rows),
            slice(3, 9),
            np.arange(0, part.rows, 2),
            np.array([0, last]),
            np.array([5]),
        ):
            bounds = bound_rows(target, part, rows)
            numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            assert bounds.rows.tolist() == numbers.tolist()
            costs = [cost_of(metric, away) for away in bounds.measure(target).tolist()]
            assert (bounds.low <= costs).all()
            assert (costs <= bounds.high).all()


def test_only_some_rows(shelf):
    holding = shelf(metric="l2", dim=1)
    holding.commit([Sample("a", row, (float(row),)) for row in range(9)])
    [part] = holding.windows.parts()
    bounds = bound_rows(Target.of("l2", np.zeros(1, np.float32)), part, slice(0, 9))
    assert bounds.where(bounds.low > 20).rows.tolist() == [5, 6, 7, 8]
    assert bounds.where(np.array([2, 1])).rows.tolist() == [2, 1]

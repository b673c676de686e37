"""The loops themselves are tried through `distance`; here is that they let other threads run."""

from __future__ import annotations

import numpy as np
import pytest

from tsvec.kernels import loops


@pytest.mark.parametrize("name", ["measure_cosine", "measure_l2", "measure_dot", "choose_nearest"])
def test_loops_run_without_the_interpreter_lock(name):
    assert getattr(loops, name).targetoptions["nogil"]


def test_fewer_rows_than_places_leave_the_rest_alone():
    places = np.full(4, -1)
    found = loops.choose_nearest(np.array([2.0, 1.0]), np.array([5, 5]), places)
    assert found == (2, False)
    assert places.tolist() == [1, 0, -1, -1]

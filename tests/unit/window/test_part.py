"""What a selection counts; the promises of parts are in tests/contract."""

from __future__ import annotations

import numpy as np

from tsvec.window.part import count_rows


def test_a_selection_counts_its_rows():
    assert count_rows(slice(3, 3)) == 0
    assert count_rows(slice(3, 10)) == 7
    assert count_rows(np.array([5, 1, 5])) == 3
    assert count_rows(np.empty(0, np.int64)) == 0
    assert type(count_rows(slice(np.int64(1), np.int64(4)))) is int

"""Selections of rows; the promises of parts are in tests/contract."""

from __future__ import annotations

import numpy as np
import pytest

from tsvec.window.part import ALIVE, count_rows, keep_rows


def test_a_selection_counts_its_rows():
    assert count_rows(slice(3, 3)) == 0
    assert count_rows(slice(3, 10)) == 7
    assert count_rows(np.array([5, 1, 5])) == 3
    assert count_rows(np.empty(0, np.int64)) == 0
    assert type(count_rows(slice(np.int64(1), np.int64(4)))) is int


@pytest.mark.parametrize("rows", [slice(3, 7), slice(3, 3), np.array([9, 2, 4]), np.array([], int)])
def test_a_selection_of_which_all_is_kept_is_the_same(rows):
    assert keep_rows(rows, np.ones(count_rows(rows), np.bool_)) is rows


def test_rows_that_are_kept_have_their_numbers_in_the_part():
    keep = np.array([False, True, True, False])
    for rows, left in ((slice(10, 14), [11, 12]), (np.array([9, 2, 4, 1]), [2, 4])):
        kept = keep_rows(rows, keep)
        assert kept.tolist() == left
        assert kept.dtype == np.int64
        assert keep_rows(rows, np.zeros(4, np.bool_)).tolist() == []


def test_who_lives_dies_after_every_change():
    assert np.uint64(2**64 - 2) < ALIVE

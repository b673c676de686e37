"""A mask knows what it was told, and says what it still has to be told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.window.masks import documents
from tsvec.window.masks.documents import RowMask

CHUNK = 10
ROWS = 95


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(documents, "CHUNK_ROWS", CHUNK)


def some_rows():
    """A slice, or row numbers in any order."""
    bounds = st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)).map(sorted)
    return bounds.map(lambda pair: slice(*pair)) | st.lists(
        st.integers(0, ROWS - 1), max_size=6
    ).map(lambda rows: np.array(rows, np.int64))


def asked(rows):
    return np.arange(ROWS)[rows]


@given(st.lists(some_rows(), max_size=8), st.data())
def test_what_it_lacks_is_asked_for_once(turns, data):
    truth = np.arange(ROWS) % 3 == 0
    mask, known = RowMask(ROWS), set()
    for rows in turns:
        for low, high in mask.missing(rows, ROWS):
            assert known.isdisjoint(range(low, high)), "that was known"
            mask.fill(low, truth[low:high])
            known.update(range(low, high))
        assert set(asked(rows).tolist()) <= known
        assert mask.values(rows).tolist() == truth[rows].tolist()
        assert mask.missing(rows, ROWS) == []
        touched = {row // CHUNK for row in asked(rows).tolist()}
        assert touched <= {row // CHUNK for row in known}


@given(st.lists(st.integers(1, ROWS), min_size=1, max_size=10))
def test_a_block_that_grows_is_followed(ends):
    truth = np.arange(ROWS) % 2 == 0
    mask, seen = RowMask(ROWS), 0
    for end in ends:
        runs = mask.missing(slice(0, end), end)
        assert sum(high - low for low, high in runs) == max(0, end - seen)
        for low, high in runs:
            assert low >= seen
            assert high <= end
            mask.fill(low, truth[low:high])
        seen = max(seen, end)
        assert mask.values(slice(0, end)).tolist() == truth[:end].tolist()


def test_far_chunks_are_left_alone():
    mask = RowMask(ROWS)
    assert mask.missing(np.array([3, 91]), ROWS) == [(0, 10), (90, 95)]
    assert mask.missing(slice(19, 31), ROWS) == [(10, 40)]
    assert mask.missing(slice(5, 5), ROWS) == []
    assert mask.missing(np.empty(0, np.int64), ROWS) == []


def test_it_says_what_it_takes():
    assert RowMask(0).bytes < RowMask(1_000).bytes - 900

"""Rows of several parts, and the first of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Sample
from tsvec.query.lists.pages import Located, first_places

VECTOR = (1.0, 0.0)


@pytest.fixture
def parts(shelf):
    made = shelf(metric="l2", dim=2)
    made.commit([Sample("a", 5, VECTOR), Sample("b", 3, VECTOR, key="k")])
    made.seal_all()
    made.commit([Sample("b", 7, VECTOR), Sample("a", 9, VECTOR, key="ключ")])
    return list(made.windows.parts())


def test_rows_are_described_wherever_they_are(parts):
    both = Located.of(parts, 0, slice(0, 2)).with_(Located.of(parts, 1, np.array([1, 0])))
    assert len(both) == 4
    assert both.time.tolist() == [3, 5, 9, 7]
    assert both.seq.tolist() == [2, 1, 4, 3]
    assert both.number.tolist() == [1, 0, 0, 1]
    assert both.keys() == ["k", "", "ключ", ""]
    assert both.places() == [(parts[0], 0), (parts[0], 1), (parts[1], 1), (parts[1], 0)]
    some = both.take(np.array([2, 0]))
    assert (some.time.tolist(), some.keys()) == ([9, 3], ["ключ", "k"])
    assert both.take(both.time > 5).seq.tolist() == [4, 3]


def test_no_rows(parts):
    for none in (Located.none(parts), Located.none([])):
        assert (len(none), none.keys(), none.places()) == (0, [], [])
    assert Located.none(parts).with_(Located.of(parts, 1, slice(0, 1))).time.tolist() == [7]


def test_the_first_are_found_and_those_equal_to_the_last():
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(1, 40))
        major, minor = rng.integers(0, 6, (2, size))
        count = int(rng.integers(1, 45))
        found = sorted(first_places(major, lambda places, m=minor: m[places], count).tolist())
        keys = list(zip(major.tolist(), minor.tolist(), strict=True))
        last = sorted(keys)[min(count, size) - 1]
        assert found == [place for place, key in enumerate(keys) if key <= last]


def test_the_minor_order_is_asked_only_where_it_matters():
    def unasked(places):
        raise AssertionError(places)

    assert sorted(first_places(np.array([3, 1, 2]), unasked, 2).tolist()) == [1, 2]
    assert first_places(np.array([1, 1]), unasked, 2).tolist() == [0, 1]

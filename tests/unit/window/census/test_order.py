"""The order of ids, of a few or of all."""

from __future__ import annotations

import numpy as np
import pytest

from tsvec.window.census import order as module
from tsvec.window.census.order import IdOrder

IDS = ["zeta", "é", "a", "A", "aa", "漢", "\U0001f300", "b" * 256, "0", "\uffff", "e\u0301"]


@pytest.fixture(params=["few", "many"])
def few(request, monkeypatch):
    if request.param == "many":
        monkeypatch.setattr(module, "_FEW", 0)


@pytest.mark.usefixtures("few")
def test_the_order_is_that_of_the_bytes():
    rng = np.random.default_rng(0)
    order = IdOrder(IDS)
    for _ in range(50):
        numbers = rng.integers(0, len(IDS), rng.integers(1, 30)).astype(np.uint32)
        ranking = order.rank(numbers)
        ids = [IDS[number] for number in numbers.tolist()]
        by_place = sorted(range(len(ids)), key=ranking.places.tolist().__getitem__)
        assert [ids[n] for n in by_place] == sorted(ids, key=str.encode)
        assert [ranking.ids[place] for place in ranking.places.tolist()] == ids
        for text in ("", "a", "ab", "b", "z", "\U0010ffff", *IDS):
            below = {
                place for place, one in zip(ranking.places.tolist(), ids, strict=True) if one < text
            }
            upto = {
                place
                for place, one in zip(ranking.places.tolist(), ids, strict=True)
                if one <= text
            }
            places = set(ranking.places.tolist())
            assert {place for place in places if place < ranking.first_from(text)} == below
            assert {place for place in places if place < ranking.first_after(text)} == upto


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "prefix", ["a", "aa", "b", "bb", "é", "e", "\U0001f300", "x", "\U0010ffff"]
)
def test_ids_that_begin_alike_are_together(prefix):
    ranking = IdOrder(IDS).rank(np.arange(len(IDS)))
    low, high = ranking.beginning_with(prefix)
    assert sorted(ranking.ids[low:high]) == sorted(one for one in IDS if one.startswith(prefix))


@pytest.mark.usefixtures("few")
def test_nothing_to_rank():
    ranking = IdOrder([]).rank(np.empty(0, np.int64))
    assert (len(ranking.ids), len(ranking.places), ranking.first_from("a")) == (0, 0, 0)
    assert ranking.beginning_with("a") == (0, 0)


def test_ids_that_come_later_find_their_place(monkeypatch):
    monkeypatch.setattr(module, "_FEW", 0)
    rng = np.random.default_rng(1)
    ids = []
    order = IdOrder(ids)
    for _ in range(30):
        ids += [f"{rng.integers(10**9)}" for _ in range(rng.integers(1, 9))]
        numbers = rng.permutation(len(ids))[: rng.integers(1, len(ids) + 1)]
        places = order.rank(numbers).places
        mine = [ids[number] for number in numbers.tolist()]
        assert [mine[n] for n in np.argsort(places, kind="stable")] == sorted(mine)

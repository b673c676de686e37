"""Which rows of a sweep a list is about: names and masks agree."""

from __future__ import annotations

import pytest

from tsvec.model.lists.requests import PointsRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.lists import selection as module
from tsvec.query.lists.selection import Selection

ALL = (TIME_MIN_US, TIME_MAX_US + 1)


def seqs(windows, *bounds, newest_first=False, **choice):
    made = Selection(windows, PointsRequest(**choice), *bounds, newest_first=newest_first)
    chunks = [made.chosen(chunk) for chunk in made.sweep.chunks()]
    return [seq for chunk in chunks for seq in chunk.seq.tolist()]


@pytest.mark.parametrize("most", [0, 16])
@pytest.mark.parametrize("names", [[], ["a"], ["zeta", "é", "a", "nobody", "é"]])
@pytest.mark.parametrize("newest_first", [False, True])
def test_few_names_and_many_choose_the_same(lived, monkeypatch, most, names, newest_first):
    monkeypatch.setattr(module, "_POSTINGS_ENTITIES_MAX", most)
    shelf, _ = lived
    found = seqs(shelf.windows, *ALL, newest_first=newest_first, entity_ids=names)
    assert sorted(found) == [n for n, one in shelf.living().items() if one.entity_id in names]


def test_everything_that_is_asked_for_must_hold(lived):
    shelf, _ = lived
    found = seqs(shelf.windows, 0, 30_000_000, entity_ids=["a", "é"], filter={"s": "é"})
    assert sorted(found) == [
        n
        for n, one in shelf.living().items()
        if one.entity_id in {"a", "é"}
        and b'"s"' in one.metadata
        and 0 <= one.timestamp < 30_000_000
    ]
    assert seqs(shelf.windows, *ALL, entity_types=["ship"]) == []
    assert len(seqs(shelf.windows, *ALL, entity_types=["GENERIC"])) == len(shelf.living())

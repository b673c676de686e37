"""What is counted is what a window set shows, whatever was counted before."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.contract.parts import Sample, random_samples
from tests.unit.query.conftest import Shelf
from tsvec.model.times import TIME_MIN_US
from tsvec.window.census import count as module
from tsvec.window.census.count import seen_between, tally_of

SECOND = 1_000_000


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path, metric="l2", block_rows=60)


def check(shelf, seq, cutoff, start, end):
    windows, living = shelf.seen(seq, cutoff), shelf.living(seq, cutoff).values()
    tally, id_of = tally_of(windows), shelf.registry.id_of
    counts = {id_of(n): c for n, c in enumerate(tally.points.tolist()) if c}
    assert counts == Counter(one.entity_id for one in living)
    for name in counts:
        mine = [one.timestamp for one in living if one.entity_id == name]
        number = shelf.registry.number_of(name)
        assert (tally.first[number], tally.last[number]) == (min(mine), max(mine))
    seen = np.flatnonzero(seen_between(windows, start, end)).tolist()
    assert {id_of(n) for n in seen} == {
        one.entity_id for one in living if start <= one.timestamp < end
    }


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_what_is_seen_while_parts_come_and_die(shelf, seed):
    rng = np.random.default_rng(seed)
    for turn in range(15):
        shelf.commit(random_samples(10, seed=100 * seed + turn))
        living = rng.permutation(sorted(shelf.living())).tolist()
        if turn % 4 == 3:
            shelf.delete(shelf.stored, living[:4])
        if turn % 3 == 2:
            shelf.seal_all()
        for seq in (shelf.seq, int(rng.integers(0, shelf.seq))):
            cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
            start, end = sorted((rng.integers(-45, 45, 2) * SECOND).tolist())
            check(shelf, seq, cutoff, start, end)
            check(shelf, seq, cutoff, start, end)


def test_what_was_counted_is_not_counted_again(shelf, monkeypatch):
    counted = []
    add = module.Tally.add
    monkeypatch.setattr(
        module.Tally, "add", lambda self, part: (counted.append(part), add(self, part))
    )
    shelf.commit(random_samples(20))
    shelf.seal_all()
    shelf.commit(random_samples(20, seed=1))
    tally_of(shelf.windows)
    assert [part.is_hot for part in counted] == [False, True]
    tally_of(shelf.windows)
    assert len(counted) == 2
    old = shelf.windows
    shelf.commit([Sample("new", 0, (1.0,) * 4)])
    tally_of(shelf.windows)
    assert [part.is_hot for part in counted[2:]] == [True]
    tally_of(old)
    assert len(counted) == 3


def test_dropped_partitions_are_not_counted_any_more(shelf):
    shelf.commit(random_samples(20))
    shelf.seal_all()
    shelf.commit([Sample("new", 0, (1.0,) * 4)])
    assert tally_of(shelf.windows).points.sum() == 21
    shelf.sealed.clear()
    assert tally_of(shelf.windows).points.sum() == 1

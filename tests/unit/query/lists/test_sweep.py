"""Reading many parts in order of time, as far as is needed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Sample, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.lists import sweep as module
from tsvec.query.lists.sweep import NEVER, Sweep
from tsvec.window.part import count_rows

SECOND = 1_000_000
ALL = (TIME_MIN_US, TIME_MAX_US + 1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module._Stream.__init__, "__defaults__", (None, 0, 4))


def read(windows, start, end, newest_first=False, names=None):
    """Every chunk's (times, seqs, bound), with what must hold of each."""
    sweep = Sweep(windows.overlapping(start, end), start, end, newest_first, names)
    found, before = [], -NEVER
    for chunk in sweep.chunks():
        part = sweep.parts[chunk.source]
        times, seqs = part.times(chunk.rows), part.seqs(chunk.rows).tolist()
        signed = sweep.signed(times)
        assert (signed >= before).all(), "a point came too late"
        assert chunk.bound >= before
        before = chunk.bound
        found += zip(times.tolist(), seqs, strict=True)
    assert before in {NEVER, -NEVER}
    return found


@pytest.mark.parametrize("newest_first", [False, True])
def test_all_that_is_seen_comes_once_and_nothing_before_its_bound(lived, newest_first):
    shelf, rng = lived
    for _ in range(30):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        start, end = sorted((rng.integers(-45, 45, 2) * SECOND).tolist())
        names = [None, ["a"], ["zeta", "é", "nobody"], []][rng.integers(4)]
        found = read(shelf.seen(seq, cutoff), start, end, newest_first, names)
        wanted = [
            (one.timestamp, n)
            for n, one in shelf.living(seq, cutoff).items()
            if start <= one.timestamp < end and (names is None or one.entity_id in names)
        ]
        assert sorted(found) == sorted(wanted)


def test_a_part_is_not_opened_before_its_turn(shelf, monkeypatch):
    made = shelf(metric="l2", dim=2)
    for day in range(5):
        made.commit([Sample("a", 100 * day + n, (1.0, 0.0)) for n in range(50)])
        made.seal_all()
    opened = []
    for part in made.sealed:
        select = part.select
        monkeypatch.setattr(
            part, "select", lambda *a, s=select, p=part: (opened.append(p), s(*a))[1]
        )
    sweep = Sweep(made.windows.overlapping(*ALL), *ALL, newest_first=False)
    chunks = sweep.chunks()
    for _ in range(3):
        assert next(chunks).bound < 100
    assert opened == made.sealed[:1]


def test_chunks_grow_to_a_limit(shelf, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_MAX", 16)
    made = shelf(metric="l2")
    made.commit(random_samples(100, ordered=True))
    sweep = Sweep(made.windows.overlapping(*ALL), *ALL, newest_first=True)
    sizes = [count_rows(chunk.rows) for chunk in sweep.chunks()]
    assert sizes[:3] == [4, 8, 16]
    assert (sum(sizes), max(sizes)) == (100, 16)


def test_nothing_to_read(shelf):
    made = shelf(metric="l2", dim=2)
    assert read(made.windows, *ALL) == []
    made.commit([Sample("a", 5, (1.0, 0.0))])
    assert read(made.windows, 6, 9) == []
    assert read(made.windows, 5, 6) == [(5, 1)]
    assert np.array(read(made.windows, 5, 5)).size == 0

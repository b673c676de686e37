"""All points of a range in order, in blocks."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.lists.requests import ReadPointsRequest
from tsvec.model.times import TIME_MIN_US
from tsvec.query.lists import pages
from tsvec.query.lists import sweep as sweeping
from tsvec.query.lists.run import run_of_points

SECOND = 1_000_000


@pytest.fixture(params=[2, 1 << 15], ids=["small chunks", "large chunks"])
def chunks(request, monkeypatch):
    monkeypatch.setattr(sweeping, "_FIRST_ROWS", request.param)
    monkeypatch.setattr(sweeping, "_ROWS_MAX", request.param)
    monkeypatch.setattr(sweeping._Stream.__init__, "__defaults__", (None, 0, request.param))


def read(windows, rows, **request):
    blocks = list(run_of_points(windows, ReadPointsRequest(**request), rows))
    assert all(len(block) == rows for block in blocks[:-1])
    assert all(0 < len(block) <= rows for block in blocks)
    return [seq for block in blocks for seq in block.seq.tolist()]


@pytest.mark.usefixtures("chunks")
def test_a_run_is_what_is_seen_in_order(lived):
    """As of random changes, after random cutoffs, of any selection, in blocks of any length."""
    shelf, rng = lived
    for _ in range(40):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        start, end = sorted((rng.integers(-45, 45, 2) * SECOND).tolist())
        names = [None, ["a"], ["zeta", "é", "nobody"], []][rng.integers(4)]
        request = {"start_time": start, "end_time": end, "entity_ids": names}
        if rng.integers(2):
            request["filter"] = {"s": {"$exists": False}}
        wanted = sorted(
            (one.timestamp, n)
            for n, one in shelf.living(seq, cutoff).items()
            if start <= one.timestamp < end
            and (names is None or one.entity_id in names)
            and ("filter" not in request or b'"s"' not in one.metadata)
        )
        found = read(shelf.seen(seq, cutoff), int(rng.integers(1, 40)), **request)
        assert found == [n for _, n in wanted]


@pytest.mark.usefixtures("chunks")
def test_points_of_one_instant_go_by_seq_wherever_they_are(shelf):
    made = shelf(metric="l2", block_rows=7)
    for turn in range(4):
        made.commit([Sample("b", 5, (1.0,) * 4, key=f"{turn}-{n}") for n in range(9)])
        made.commit([Sample("a", 4, (1.0,) * 4, key=f"{turn}-{n}") for n in range(3)])
        if turn % 2:
            made.seal_all()
    wanted = sorted(made.given, key=lambda n: (made.given[n].timestamp, n))
    for rows in (1, 4, 48, 100):
        assert read(made.windows, rows) == wanted


def test_no_more_is_held_than_the_chunks_of_parts_that_overlap(shelf, monkeypatch):
    monkeypatch.setattr(sweeping, "_ROWS_MAX", 256)
    made = shelf(metric="l2", dim=1)
    for day in range(6):
        made.commit([Sample("a", 1_000 * day + n, (1.0,)) for n in range(1_000)])
        made.seal_all()
    held, with_ = [], pages.Located.with_

    def noting(before, more):
        both = with_(before, more)
        held.append(len(both))
        return both

    monkeypatch.setattr(pages.Located, "with_", noting)
    assert len(read(made.windows, 100)) == 6_000
    assert max(held) <= 100 + 2 * 256

"""Lists of points: order, selection, pages."""

from __future__ import annotations

import orjson
import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import InvalidRequestError
from tsvec.model.lists.requests import PointsRequest
from tsvec.model.times import TIME_MIN_US
from tsvec.query.lists.cursors import write_cursor
from tsvec.query.lists.points import page_points
from tsvec.window.census import order as ordering
from tsvec.window.part import count_rows

SECOND = 1_000_000
VECTOR = (1.0, 0.0, 0.0, 0.0)
NAMES = ["zeta", "é", "a", "A", "aa", "漢", "\U0001f300", "b" * 256, "0"]


@pytest.fixture(params=["few", "many"])
def ranked(request, monkeypatch):
    """Entities put in order by themselves, and as if there were too many for that."""
    if request.param == "many":
        monkeypatch.setattr(ordering, "_FEW", 0)


def read(windows, **fields):
    seqs, cursor = [], None
    while True:
        page = page_points(windows, PointsRequest(cursor=cursor, **fields))
        assert len(page.items) <= fields.get("limit", 100)
        seqs += [point.seq for point in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seqs
        assert len(page.items) == fields.get("limit", 100)


def place_of(sample):
    return sample.timestamp, sample.entity_id, sample.key or ""


@pytest.mark.usefixtures("ranked")
def test_lists_are_those_of_what_is_seen(lived):
    """As of random changes, after random cutoffs, of any selection, in pages of any length."""
    shelf, rng = lived
    for _ in range(40):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        start, end = sorted((rng.integers(-45, 45, 2) * SECOND).tolist())
        ids = rng.choice(NAMES, 3).tolist() if rng.integers(2) else None
        least = int(rng.integers(15)) if rng.integers(2) else None
        fields = {
            "start_time": start if rng.integers(2) else None,
            "end_time": end if rng.integers(2) else None,
            "entity_ids": ids,
            "entity_types": [["GENERIC"], ["GENERIC", "ship"], None, None][rng.integers(4)],
            "filter": None if least is None else {"row": {"$gte": least}},
            "order": ("asc", "desc")[rng.integers(2)],
            "limit": int(rng.integers(1, 12)),
        }
        wanted = sorted(
            (place_of(one), n)
            for n, one in shelf.living(seq, cutoff).items()
            if (fields["start_time"] is None or start <= one.timestamp)
            and (fields["end_time"] is None or one.timestamp < end)
            and (ids is None or one.entity_id in ids)
            and (least is None or orjson.loads(one.metadata).get("row", -1) >= least)
        )
        if fields["order"] == "desc":
            wanted.reverse()
        assert read(shelf.seen(seq, cutoff), **fields) == [n for _, n in wanted]


@pytest.mark.usefixtures("ranked")
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_points_of_one_instant_go_by_entity_then_key(shelf, order):
    made = shelf(metric="l2", block_rows=7)
    keys = (None, "k", "a", "ключ")
    samples = [Sample(name, 5, VECTOR, key=key) for name in NAMES for key in keys]
    for turn in range(4):
        made.commit(samples[turn::4])
        if turn == 1:
            made.seal_all()
    wanted = sorted(made.given, key=lambda n: place_of(made.given[n]), reverse=order == "desc")
    for limit in (1, 2, 5, 7, 36, 100):
        assert read(made.windows, order=order, limit=limit) == wanted


def test_only_rows_that_a_page_needs_are_read(shelf, monkeypatch):
    made = shelf(metric="l2")
    made.commit([Sample("a", n, VECTOR) for n in range(5_000)])
    made.seal_all()
    [part] = made.sealed
    looked, times = [], part.times

    def counted(rows):
        looked.append(count_rows(rows))
        return times(rows)

    monkeypatch.setattr(part, "times", counted)
    for order in ("asc", "desc"):
        page = page_points(made.windows, PointsRequest(limit=10, order=order))
        assert len(page.items) == 10
        assert sum(looked) < 1_000
        looked.clear()


def test_points_carry_what_was_asked_for(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", 5, VECTOR, key="é", metadata=b'{"n":1}', entity_type="ship")])
    [point] = page_points(made.windows, PointsRequest()).items
    assert (point.entity_type, point.key, point.metadata, point.vector) == (
        "ship",
        "é",
        {"n": 1},
        None,
    )
    [point] = page_points(made.windows, PointsRequest(include=["vector"])).items
    assert (point.metadata, tuple(point.vector.tolist())) == (None, VECTOR)


def test_empty_lists(shelf):
    made = shelf(metric="l2")
    for _ in range(2):
        for fields in ({"entity_ids": []}, {"entity_types": []}, {"entity_ids": ["nobody"]}):
            page = page_points(made.windows, PointsRequest(**fields))
            assert (page.items, page.next_cursor, page.as_of_seq) == ([], None, made.seq)
        assert read(made.windows, start_time=6) == []
        made.commit([Sample("a", 5, VECTOR)])
        made.delete(made.stored, [made.seq])


def test_a_forged_place_is_no_fault(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", 5, VECTOR), Sample("b", 7, VECTOR)])
    for order in ("asc", "desc"):
        request = PointsRequest(order=order)
        for place in (
            (2**62, "", "", 0),
            (-(2**62), "", "", -1),
            (5, "a" * 999, "\0", 2**62),
            (7, "b", "", -(2**62)),
        ):
            cursor = write_cursor(made.windows, request, place)
            page = page_points(made.windows, PointsRequest(order=order, cursor=cursor))
            assert len(page.items) <= 2
        cursor = write_cursor(made.windows, request, (5, "a", 1))
        with pytest.raises(InvalidRequestError, match="no place"):
            page_points(made.windows, PointsRequest(order=order, cursor=cursor))

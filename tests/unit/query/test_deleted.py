"""Deleted points: the newest version of each identity, unless a living point took its place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import RECORDED_AT, Sample
from tsvec.model.errors import InvalidRequestError
from tsvec.model.queries import DeletedPointsRequest
from tsvec.model.times import TIME_MIN_US
from tsvec.query.deleted import find_deleted, is_occupied, page_deleted
from tsvec.query.lists.cursors import write_cursor
from tsvec.storage.overlay import DeathCause

SECOND = 1_000_000
VECTOR = (1.0, 2.0, 3.0, 4.0)


def identity(sample):
    return sample.entity_id, sample.timestamp, sample.key


def deleted(shelf, seq, cutoff=TIME_MIN_US, oldest=0):
    """Seq of the version by seq of its deletion: the newest of each identity."""
    newest = {}
    for victim, death in shelf.deaths.items():
        one = shelf.given[victim]
        if death.by == DeathCause.DELETED and oldest < death.seq <= seq and one.timestamp >= cutoff:
            place = newest.get(identity(one), (0, 0))
            newest[identity(one)] = max(place, (death.seq, victim))
    return dict(newest.values())


def unoccupied(shelf, found, seq, cutoff=TIME_MIN_US):
    taken = {identity(one) for one in shelf.living(seq, cutoff).values()}
    return {
        ended: victim
        for ended, victim in found.items()
        if identity(shelf.given[victim]) not in taken
    }


def everything(numbers, times, seqs):
    return np.ones(len(numbers), np.bool_)


def told(rows):
    """seq of the deletion -> seq of the version, in the order given."""
    victims = [
        int(rows.parts[source].seqs(slice(row, row + 1))[0])
        for source, row in zip(rows.source.tolist(), rows.row.tolist(), strict=True)
    ]
    return dict(zip(rows.seq.tolist(), victims, strict=True))


def ask(windows, oldest=0, **fields):
    return page_deleted(windows, oldest, DeletedPointsRequest(**fields))


def pages(windows, oldest=0, **fields):
    cursor, items = None, []
    while True:
        page = ask(windows, oldest, cursor=cursor, **fields)
        assert len(page.items) <= fields["limit"]
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == fields["limit"]


@pytest.fixture
def crowded(shelf):
    """Few identities that come, are replaced, deleted and come again, in every kind of part."""
    made, rng = shelf(metric="l2", block_rows=30), np.random.default_rng(4)
    made.commit([Sample("a", 0, VECTOR), Sample("b", 0, VECTOR), Sample("c", 0, VECTOR)])
    for turn in range(20):
        taken = {identity(one): n for n, one in made.living().items()}
        wanted = {("abc"[rng.integers(3)], int(rng.integers(4)), None) for _ in range(5)}
        wanted |= {("abc"[rng.integers(3)], int(rng.integers(4)), "k") for _ in range(3)}
        made.replace(made.stored, sorted(taken[one] for one in wanted if one in taken))
        fresh = sorted((*one[:2], one[2] or "") for one in wanted if one not in taken)
        if fresh:
            made.commit([Sample(n, t, VECTOR, key=k or None) for n, t, k in fresh])
        living = rng.permutation(sorted(made.living())).tolist()
        made.delete(made.stored, living[: rng.integers(7)])
        if turn % 6 == 5:
            made.seal_all()
    return made, rng


def test_the_newest_deletion_of_each_identity_is_found(crowded):
    shelf, rng = crowded
    for _ in range(40):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        oldest = int(rng.choice([0, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(0, 5)]))
        windows = shelf.seen(seq, cutoff)
        rows = find_deleted(windows, oldest, everything)
        expected = deleted(shelf, seq, cutoff, oldest)
        assert list(told(rows).items()) == sorted(expected.items(), reverse=True)
        assert rows.at.tolist() == [shelf.deaths[one].at for one in told(rows).values()]
        names = [shelf.registry.id_of(number) for number in rows.number.tolist()]
        identities = list(zip(names, rows.time.tolist(), rows.key, strict=True))
        assert identities == [identity(shelf.given[one]) for one in told(rows).values()]
        free = unoccupied(shelf, expected, seq, cutoff)
        occupied = is_occupied(windows, rows)
        assert [ended not in free for ended in told(rows)] == occupied.tolist()


def test_only_the_wanted_are_weighed(crowded):
    """A deletion that is not wanted does not hide an earlier one that is."""
    shelf, _ = crowded
    first, last = shelf.seq // 3, shelf.seq // 2

    def wanted(numbers, times, seqs):
        return (seqs >= first) & (seqs <= last) & (times >= 1)

    rows = find_deleted(shelf.windows, 0, wanted)
    expected = deleted(shelf, last, 1, first - 1)
    assert told(rows) == expected


def test_pages_hold_each_point_once_the_newest_deletion_first(crowded):
    shelf, rng = crowded
    for _ in range(25):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        oldest = int(rng.choice([0, rng.integers(0, shelf.seq)]))
        start, end = sorted(rng.integers(0, 5, 2).tolist())
        ids = sorted({"abcx"[n] for n in rng.integers(0, 4, 2)}) if rng.random() < 0.5 else None
        span = {"start_time": start, "end_time": end} if rng.random() < 0.5 else {}
        limit = int(rng.integers(1, 6))
        items = pages(shelf.seen(seq), oldest, entity_ids=ids, limit=limit, **span)
        expected = unoccupied(shelf, deleted(shelf, seq, oldest=oldest), seq)
        inside = {
            ended: n
            for ended, n in expected.items()
            if (ids is None or shelf.given[n].entity_id in ids)
            and (not span or start <= shelf.given[n].timestamp < end)
        }
        found = [(item.deleted_seq, item.seq) for item in items]
        assert found == sorted(inside.items(), reverse=True)


def test_a_deleted_point_says_what_it_was_and_when_it_went(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", 5, VECTOR, key="é", metadata=b'{"n":1}', entity_type="ship")])
    made.delete(made.stored, [1])
    page = ask(made.windows)
    [item] = page.items
    assert (item.entity_id, item.entity_type, item.key, item.metadata) == (
        "a",
        "ship",
        "é",
        {"n": 1},
    )
    assert (item.seq, item.deleted_seq, item.vector) == (1, 2, None)
    assert round(item.deleted_at.timestamp() * 1e6) == RECORDED_AT + 2
    assert item.timestamp.microsecond == 5
    assert (page.next_cursor, page.as_of_seq) == (None, 2)
    assert type(page).model_validate_json(page.model_dump_json()) == page


def test_replaced_versions_are_not_deleted_points(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", 5, VECTOR)])
    made.replace(made.stored, [1])
    assert ask(made.windows).items == []
    made.delete(made.stored, [2])
    assert [(item.seq, item.deleted_seq) for item in ask(made.windows).items] == [(2, 3)]
    assert ask(made.seen(2)).items == []


def test_a_point_that_came_again_is_not_listed_until_it_is_deleted_again(shelf):
    made = shelf(metric="l2")
    for _ in range(3):
        [seq] = made.commit([Sample("a", 5, VECTOR)])
        assert ask(made.windows).items == []
        made.delete(made.stored, [seq])
        assert [item.seq for item in ask(made.windows).items] == [seq]
        made.seal_all()
    assert [item.seq for item in ask(made.seen(2)).items] == [1]


def test_a_page_goes_on_where_the_last_one_ended_though_more_is_deleted(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", time, VECTOR) for time in range(6)])
    made.delete(made.stored, [1, 2, 3])
    first = ask(made.windows, limit=2)
    made.delete(made.stored, [4, 5])
    rest = ask(made.windows, limit=9, cursor=first.next_cursor)
    assert [item.seq for item in (*first.items, *rest.items)] == [3, 2, 1]


def test_nothing_is_deleted_where_nothing_died(shelf):
    made = shelf(metric="l2")
    assert ask(made.windows).items == []
    made.commit([Sample("a", 5, VECTOR)])
    page = ask(made.windows)
    assert (page.items, page.next_cursor, page.as_of_seq) == ([], None, 1)
    made.delete(made.stored, [1])
    assert ask(made.windows, entity_ids=[]).items == []
    assert ask(made.windows, entity_ids=["nobody"]).items == []
    assert ask(made.windows, oldest=2).items == []


def test_a_cursor_of_something_else_is_refused(crowded):
    shelf, _ = crowded
    other = ask(shelf.windows, limit=1, entity_ids=["a", "b", "c"]).next_cursor
    for cursor in ("", "x", other):
        with pytest.raises(InvalidRequestError, match="cursor") as caught:
            ask(shelf.windows, cursor=cursor)
        assert caught.value.details[0].field == "cursor"


def test_a_forged_place_beyond_all_deletions_is_no_fault(crowded):
    shelf, _ = crowded
    whole = ask(shelf.windows, limit=1_000)
    for below, items in ((2**62, whole.items), (0, []), (-(2**62), [])):
        cursor = write_cursor(shelf.windows, DeletedPointsRequest(), (below,))
        assert ask(shelf.windows, limit=1_000, cursor=cursor).items == items

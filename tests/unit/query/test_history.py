"""What is known of an entity over a window set."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import EntityNotFoundError
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.history import (
    describe_attributes,
    describe_entity,
    find_latest,
    is_visible,
)
from tsvec.window.attributes import AttributesVersion

VECTOR = (1.0, 0.0)
TIMES = [5, 3, 9, 5, 1, 5, 12, 9, 2, 5]
"""Event times of entity `a` in order of its commits, which are seqs 1, 3, 5 and so on."""


@pytest.fixture(params=["hot", "sealed", "mixed"])
def holding(request, shelf):
    made = shelf(metric="l2", dim=2, block_rows=7)
    for turn, time in enumerate(TIMES):
        made.commit([Sample("a", time, VECTOR), Sample("b", 100 + time, VECTOR)])
        if request.param == "mixed" and turn in (2, 6):
            made.seal_all()
    if request.param == "sealed":
        made.seal_all()
    return made


def test_the_newest_is_by_event_time_then_by_commit(holding):
    def latest(at):
        found = find_latest(holding.windows, "a", at)
        return None if found is None else int(found[0].seqs(slice(found[1], found[1] + 1))[0])

    assert [latest(at) for at in (0, 1, 2, 4, 5, 8, 9, 12, TIME_MAX_US)] == [
        None,
        9,
        17,
        3,
        19,
        19,
        15,
        13,
        13,
    ]
    assert find_latest(holding.windows, "nobody", TIME_MAX_US) is None


def test_of_two_points_at_the_newest_time_of_two_parts_the_later_commit_is_newest(shelf):
    made = shelf(metric="l2", dim=2)
    for _ in range(3):
        made.commit([Sample("a", 7, VECTOR)])
        made.seal_all()
    part, row = find_latest(made.windows, "a", TIME_MAX_US)
    assert part.seqs(slice(row, row + 1)).tolist() == [3]


def test_an_entity_is_described_by_its_points_and_its_newest(holding):
    holding.commit([Sample("a", 8, VECTOR, entity_type="ship", metadata=b'{"n":1}')])
    info = describe_entity(holding.windows, "a")
    assert (info.entity_type, info.points, info.as_of_seq) == ("ship", 11, 21)
    assert (info.first_seen.microsecond, info.last_seen.microsecond) == (1, 12)
    assert (info.latest.seq, info.latest.metadata, info.latest.vector) == (13, {}, None)
    assert info.attributes == {}
    before = describe_entity(holding.seen(20), "a")
    assert (before.entity_type, before.points, before.as_of_seq) == ("GENERIC", 10, 20)
    assert before.latest.entity_type == "GENERIC"


def test_attributes_are_those_of_the_moment(holding):
    changes = ((21, b'{"n":1}'), (22, b'{"n":2,"s":"\xc3\xa9"}'), (23, None))
    for seq, value in changes:
        holding.registry.attributes.put(0, AttributesVersion(seq, seq, value))
    holding.seq = 23
    for seq, shown, changed in (
        (20, {}, None),
        (21, {"n": 1}, 21),
        (22, {"n": 2, "s": "é"}, 22),
        (23, {}, None),
    ):
        reply = describe_attributes(holding.seen(seq), "a")
        assert (reply.entity_id, reply.attributes) == ("a", shown)
        assert (reply.changed_seq, reply.as_of_seq) == (changed, seq)
        assert describe_entity(holding.seen(seq), "a").attributes == shown
        assert describe_attributes(holding.seen(seq), "b").attributes == {}


def test_an_entity_without_points_to_be_seen_is_not_there(holding):
    hidden = holding.seen(0), holding.seen(cutoff=500)
    for windows, name in ((holding.windows, "new"), *((one, "a") for one in hidden)):
        assert not is_visible(windows, name)
        for ask in (describe_entity, describe_attributes):
            with pytest.raises(EntityNotFoundError, match=f"no entity '{name}'"):
                ask(windows, name)
    assert is_visible(holding.windows, "a")
    mine = [seq for seq, one in holding.given.items() if one.entity_id == "a"]
    holding.delete(holding.stored, mine)
    assert not is_visible(holding.windows, "a")
    assert is_visible(holding.windows, "b")
    assert is_visible(holding.seen(holding.seq - 1), "a")
    with pytest.raises(EntityNotFoundError):
        describe_entity(holding.windows, "a")


def random_moment(shelf, rng):
    seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
    cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * 1_000_000]))
    return seq, cutoff


def test_descriptions_are_those_of_what_is_seen(lived):
    """Descriptions and newest points as of random changes, after random cutoffs."""
    shelf, rng = lived
    for _ in range(30):
        seq, cutoff = random_moment(shelf, rng)
        windows, living = shelf.seen(seq, cutoff), shelf.living(seq, cutoff)
        name = ("zeta", "é", "a", "漢", "b" * 256)[rng.integers(5)]
        mine = sorted((one.timestamp, n) for n, one in living.items() if one.entity_id == name)
        at = int(rng.integers(-40, 40)) * 1_000_000
        found = find_latest(windows, name, at)
        newest = max((place for place in mine if place[0] <= at), default=None)
        assert (found is None) == (newest is None)
        if found is not None:
            assert found[0].seqs(slice(found[1], found[1] + 1)).tolist() == [newest[1]]
        if not mine:
            assert not is_visible(windows, name)
            continue
        info = describe_entity(windows, name)
        assert (info.points, info.latest.seq) == (len(mine), mine[-1][1])
        assert info.first_seen.timestamp() * 1e6 == mine[0][0]
        assert info.last_seen.timestamp() * 1e6 == mine[-1][0]

"""Deleting and restoring: what is chosen, what is counted, what comes back."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import NOON, SECOND
from tests.unit.engine.workshop import check_counts, kept, shown, values
from tsvec.engine.writing import group, removal
from tsvec.engine.writing.removal import preview_delete, preview_restore, select_living
from tsvec.model.errors import EntityNotFoundError, GoneError, TooLargeError
from tsvec.model.limits import Limits
from tsvec.model.queries import DeletePointsRequest, RestorePointsRequest
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import PointFlag, decode_deletions, decode_points

DAY = 86_400 * SECOND


@pytest.fixture(params=["hot", "sealed", "both"])
def shop(workshop, request):
    """a at 1, 2 (twice: with key k) and 3, b at 2; seqs 1 to 5; one version replaced: seq 6."""
    made = workshop()
    made.put(("a", 1, 1), ("a", 2, 2), ("a", 2, 3, "k"))
    if request.param != "hot":
        made.seal()
    made.put(("a", 3, 4), ("b", 2, 5))
    made.put(("b", 2, 6))
    if request.param == "sealed":
        made.seal()
    return made


def ref(entity, second, key=None):
    return {"entity_id": entity, "timestamp": int(second * SECOND), "key": key}


def last_frame(shop):
    *_, frame = shop.store.log.read_from(shop.store.log.start)
    return frame


@pytest.mark.parametrize(
    ("selector", "gone", "missing"),
    [
        ({"points": [ref("a", 2)]}, [2], 0),
        ({"points": [ref("a", 2, "k"), ref("a", 2, "k")]}, [3], 0),
        ({"points": [ref("a", 2, "x"), ref("z", 2), ref("a", 9), ref("b", 2)]}, [6], 3),
        ({"entity_ids": ["a"]}, [1, 2, 3, 4], 0),
        ({"entity_ids": ["b", "nobody", "b"]}, [6], 0),
        ({"start_time": 2 * SECOND, "end_time": 3 * SECOND}, [2, 3, 6], 0),
        ({"start_time": 2 * SECOND + 1}, [4], 0),
        ({"end_time": SECOND}, [], 0),
        ({"entity_ids": ["a"], "end_time": 3 * SECOND}, [1, 2, 3], 0),
        ({"entity_ids": ["nobody"]}, [], 0),
    ],
)
def test_what_is_selected_is_deleted(shop, selector, gone, missing):
    before = shop.store.windows
    preview = preview_delete(shop.read(), DeletePointsRequest(**selector))
    assert (preview.deleted, preview.missing, preview.dry_run) == (len(gone), missing, True)
    assert (preview.first_seq, preview.seq) == (7, 6)
    assert shop.store.windows is before
    there = [row[-1] for row in shown(before)]
    reply = shop.delete(**selector)
    assert (reply.deleted, reply.missing, reply.dry_run) == (len(gone), missing, False)
    assert (reply.first_seq, reply.seq) == (7, 6 + len(gone))
    assert [row[-1] for row in shown(shop.store.windows)] == [s for s in there if s not in gone]
    ended = {version[0]: version[1:] for version in kept(shop.store.windows)}
    for place, seq in enumerate(gone):
        assert ended[seq] == (7 + place, shop.store.windows.recorded_at, DeathCause.DELETED)
    assert [row[-1] for row in shown(shop.read(seq=6))] == there
    check_counts(shop.store)


def test_the_frame_says_who_was_deleted(shop):
    shop.delete(points=[ref("a", 2, "k"), ref("a", 1)])
    found = decode_deletions(last_frame(shop).payload).to_pydict()
    assert found["entity_id"] == ["a", "a"]
    assert (found["key"], found["victim"], found["commit"]) == ([None, "k"], [1, 3], [8, 8])


def test_deleting_nothing_takes_no_seq(shop):
    before = shop.store.windows
    reply = shop.delete(entity_ids=["nobody"])
    assert (reply.deleted, reply.seq, reply.durable) == (0, 6, True)
    assert reply.recorded_at.timestamp() * 1e6 == pytest.approx(before.recorded_at)
    assert shop.store.windows is before


def test_what_is_deleted_twice_is_missing_the_second_time(shop):
    assert shop.delete(points=[ref("a", 1)]).deleted == 1
    again = shop.delete(points=[ref("a", 1)])
    assert (again.deleted, again.missing, again.seq) == (0, 1, 7)


def test_part_of_a_group_is_deleted_in_between(shop):
    """A delete makes a commit of its own: at no seq is half of it to be seen."""
    shop.delete(entity_ids=["a"])
    for seq in (7, 8, 9):
        assert shop.read(seq=seq).seq == seq
    assert {row[0] for row in shown(shop.read(seq=10))} == {"b"}


def test_too_many_points_are_refused_and_nothing_is_deleted(shop, monkeypatch):
    monkeypatch.setattr(removal, "limits", lambda: Limits(delete_rows_max=3))
    with pytest.raises(TooLargeError, match=r"4 points are more than .* \(3, delete_rows_max\)"):
        shop.delete(entity_ids=["a"])
    assert len(values(shop.store.windows)) == 5
    assert shop.delete(entity_ids=["a"], start_time=2 * SECOND).deleted == 3
    shop.delete(points=[ref("a", 1)])
    with pytest.raises(TooLargeError):
        shop.restore(entity_ids=["a"])
    assert shop.restore(entity_ids=["a"], end_time=3 * SECOND).restored == 3


def test_what_no_frame_can_hold_is_not_restored(shop, monkeypatch):
    shop.delete(entity_ids=["a"])
    monkeypatch.setattr(group, "_REQUEST_BYTES_MAX", 4 * 8 + 4)
    with pytest.raises(TooLargeError, match="40 bytes of vectors and metadata"):
        shop.restore(entity_ids=["a"])
    monkeypatch.setattr(group, "_REQUEST_BYTES_MAX", 4 * 8 - 1)
    with pytest.raises(TooLargeError, match="32 bytes of vectors"):
        shop.restore(entity_ids=["a"])
    assert shop.store.windows.seq == 10
    assert shop.restore(entity_ids=["a"], end_time=3 * SECOND).restored == 3


def test_expired_points_can_neither_be_deleted_nor_restored(workshop):
    shop = workshop(config={"retention": "1h", "window_size": "1m"})
    now = NOON // SECOND
    shop.put(("a", now - 3_000, 1), ("a", now, 2), ("b", now - 3_000, 3))
    shop.delete(entity_ids=["b"])
    shop.clock.now += 1_000 * SECOND
    assert shop.restore(entity_ids=["b"]).restored == 0
    reply = shop.delete(points=[ref("a", now - 3_000)])
    assert (reply.deleted, reply.missing) == (0, 1)
    assert shop.delete(entity_ids=["a"]).deleted == 1


def test_restoring_brings_the_very_content_back_as_new_versions(shop):
    shop.set("a", {"x": 1})
    before = values(shop.store.windows)
    shop.delete(entity_ids=["a"])
    preview = preview_restore(
        shop.read(), shop.store.oldest_as_of(), RestorePointsRequest(entity_ids=["a"])
    )
    assert (preview.restored, preview.dry_run, preview.first_seq) == (4, True, 12)
    assert shop.store.windows.seq == 11
    reply = shop.restore(entity_ids=["a"])
    assert (reply.restored, reply.missing, reply.occupied) == (4, 0, 0)
    assert (reply.first_seq, reply.seq) == (12, 15)
    assert values(shop.store.windows) == before
    assert [row[-1] for row in shown(shop.store.windows)] == [6, 12, 13, 14, 15]
    rows = decode_points(last_frame(shop).payload, 2).to_pydict()
    assert set(rows["flags"]) == {PointFlag.RESTORED}
    assert set(rows["replaces"]) == {0}
    check_counts(shop.store)
    again = shop.restore(entity_ids=["a"])
    assert (again.restored, again.occupied) == (0, 4)


def test_named_points_that_cannot_be_restored_are_missing_or_occupied(shop):
    shop.delete(points=[ref("a", 1), ref("a", 2)])
    shop.put(("a", 2, 9))
    reply = shop.restore(points=[ref("a", 1), ref("a", 2), ref("a", 3), ref("z", 1)])
    assert (reply.restored, reply.occupied, reply.missing) == (1, 1, 2)
    assert values(shop.store.windows)["a", 2.0, None] == 9.0


def test_of_several_deletions_of_a_point_the_newest_is_restored(shop):
    shop.delete(points=[ref("a", 1)])
    shop.put(("a", 1, 7))
    shop.delete(points=[ref("a", 1)])
    assert shop.restore(points=[ref("a", 1)]).restored == 1
    assert values(shop.store.windows)["a", 1.0, None] == 7.0


def test_a_deletion_is_restored_by_its_seqs(shop):
    first = shop.delete(points=[ref("a", 1), ref("a", 2)])
    second = shop.delete(points=[ref("a", 3)])
    shop.delete(points=[ref("b", 2)])
    reply = shop.restore(first_seq=second.first_seq, last_seq=second.seq)
    assert reply.restored == 1
    assert ("a", 3.0, None) in values(shop.store.windows)
    assert shop.restore(first_seq=first.first_seq, last_seq=first.first_seq).restored == 1
    assert ("a", 2.0, None) not in values(shop.store.windows)
    assert shop.restore(first_seq=1).restored == 2


def test_replaced_versions_are_not_restored(shop):
    assert shop.restore(points=[ref("b", 2)]).missing == 1
    shop.delete(entity_ids=["b"])
    shop.restore(entity_ids=["b"])
    assert values(shop.store.windows)["b", 2.0, None] == 6.0


def test_what_lies_beyond_the_horizon_is_not_restored(workshop):
    shop = workshop(config={"history_horizon": "1d"})
    shop.put(("a", 1, 1), ("b", 1, 2))
    shop.delete(entity_ids=["a"])
    deleted_at = shop.store.windows.recorded_at
    shop.clock.now = deleted_at + DAY - 1
    assert preview_restore(
        shop.read(), shop.store.oldest_as_of(), RestorePointsRequest(entity_ids=["a"])
    ).restored
    shop.clock.now += 1
    reply = shop.restore(points=[ref("a", 1)])
    assert (reply.restored, reply.missing) == (0, 1)
    with pytest.raises(GoneError):
        shop.read(seq=1)


# Whole entities.


def attributes_of(shop, entity, seq=None):
    registry = shop.store.registry
    version = registry.attributes.at(registry.number_of(entity), seq or shop.store.windows.seq)
    return None if version is None else version.value


def type_of(shop, entity, seq=None):
    registry = shop.store.registry
    return registry.type_of(registry.number_of(entity), seq or shop.store.windows.seq)


def test_an_entity_is_deleted_with_its_type_and_attributes_and_comes_back_with_both(workshop):
    shop = workshop()
    shop.put(("a", 1, 1, None, "ship"), ("a", 2, 2), ("b", 1, 3, None, "ship"))
    shop.set("a", {"flag": "NO"})
    reply = shop.delete_entity("a")
    assert (reply.deleted, reply.first_seq, reply.seq) == (2, 5, 7)
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("GENERIC", None)
    assert (type_of(shop, "a", 6), attributes_of(shop, "a", 6)) == ("ship", b'{"flag":"NO"}')
    assert type_of(shop, "b") == "ship"
    with pytest.raises(EntityNotFoundError):
        shop.delete_entity("a")
    with pytest.raises(EntityNotFoundError):
        shop.delete_entity("nobody")
    assert shop.store.windows.seq == 7
    back = shop.restore(entity_ids=["a"])
    assert (back.restored, back.first_seq, back.seq) == (2, 8, 10)
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("ship", b'{"flag":"NO"}')
    assert (type_of(shop, "a", 7), attributes_of(shop, "a", 7)) == ("GENERIC", None)
    check_counts(shop.store)


def test_what_an_entity_became_since_is_not_undone(workshop):
    shop = workshop()
    shop.put(("a", 1, 1, None, "ship"))
    shop.set("a", {"flag": "NO"})
    shop.delete_entity("a")
    shop.put(("a", 2, 2, None, "plane"))
    shop.set("a", {"flag": "SE"})
    assert shop.restore(entity_ids=["a"]).restored == 1
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("plane", b'{"flag":"SE"}')


def test_deleting_all_points_of_an_entity_leaves_what_is_known_of_it(workshop):
    shop = workshop()
    shop.put(("a", 1, 1, None, "ship"))
    shop.set("a", {"flag": "NO"})
    shop.delete(entity_ids=["a"])
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("ship", b'{"flag":"NO"}')


def test_a_point_deleted_in_a_later_life_does_not_bring_back_an_earlier_one(workshop):
    """Only what went with the entity brings back what went with it."""
    shop = workshop()
    shop.put(("a", 1, 1, None, "ship"))
    shop.set("a", {"flag": "NO"})
    shop.delete_entity("a")
    shop.put(("a", 2, 2), ("a", 3, 3))
    shop.delete(points=[ref("a", 2)])
    assert shop.restore(points=[ref("a", 2)]).restored == 1
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("GENERIC", None)
    assert shop.restore(entity_ids=["a"]).restored == 1
    assert (type_of(shop, "a"), attributes_of(shop, "a")) == ("ship", b'{"flag":"NO"}')


def test_what_is_selected_is_counted_without_reading_vectors(shop):
    places, missing = select_living(shop.read(), DeletePointsRequest(entity_ids=["a"]))
    assert missing == 0
    assert sum(len(rows) for _, rows in places) == 4


def test_the_filter_of_a_request_counts_whoever_evaluates_it(shop):
    """Also of a task that comes without its filter evaluated: never may it be left out."""
    shop.set("b", {"fleet": "red"})
    selector = {"filter": {"$attributes": {"fleet": "red"}}}
    [[part, rows]], _ = select_living(shop.read(), DeletePointsRequest(**selector))
    assert part.seqs(rows).tolist() == [6]
    [reply] = shop.group(shop.deleting(**selector))
    assert reply.deleted == 1

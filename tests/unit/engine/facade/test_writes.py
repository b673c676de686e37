"""Changes through the facade, by keyword and by record."""

from __future__ import annotations

import threading

import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock, batch_of
from tests.unit.engine.workshop import points
from tsvec.engine.facade import writes
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnprocessableError,
)
from tsvec.model.lists.requests import PointPatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.storage.predicates.runner import PredicateRunner


@pytest.fixture
def collection(database):
    made = database.collection("c")
    made.ingest(points(("a", 1, 1), ("a", 2, 2), ("b", 1, 3)))
    return made


def test_what_becomes_of_conflicts_is_said_with_the_ingest(collection):
    row = {"entity_id": "a", "timestamp": SECOND, "vector": [9.0, 1.0]}
    with pytest.raises(ConflictError):
        collection.ingest([row], on_conflict="error")
    assert collection.ingest([row], on_conflict="ignore").unchanged == 1
    assert collection.ingest(**row).replaced == 1
    batch = points(("a", 1, 7))
    assert isinstance(collection.submit(batch, on_conflict="error").exception(20), ConflictError)
    assert collection.submit(batch, on_conflict="ignore").result(20).unchanged == 1
    assert collection.submit(batch).result(20).replaced == 1


def test_keyword_and_record_delete_the_same(collection):
    preview = collection.delete_points(entity_ids=["a"], dry_run=True)
    assert (preview.deleted, preview.dry_run, preview.first_seq, preview.seq) == (2, True, 4, 3)
    assert collection.delete(DeletePointsRequest(entity_ids=["a"], dry_run=True)) == preview
    assert collection.get_collection_stats().points == 3
    reply = collection.delete_points(entity_ids=["a"])
    assert (reply.deleted, reply.durable, reply.seq) == (2, True, 5)
    assert collection.get_collection_stats().points == 1
    again = collection.restore_points(entity_ids=["a"], dry_run=True)
    assert (again.restored, again.dry_run, again.seq) == (2, True, 5)
    request = RestorePointsRequest(first_seq=reply.first_seq, last_seq=reply.seq)
    assert collection.restore(request).restored == 2
    assert collection.get_collection_stats().points == 3


@pytest.mark.parametrize("change", ["delete_points", "restore_points"])
def test_a_selector_must_select(collection, change):
    with pytest.raises(InvalidRequestError, match="an empty selector selects nothing"):
        getattr(collection, change)()
    with pytest.raises(InvalidRequestError, match="colour"):
        getattr(collection, change)(entity_ids=["a"], colour="red")


@pytest.mark.parametrize("change", ["delete_points", "restore_points"])
def test_a_collection_that_is_not_there_is_not_made(opened, change):
    database = opened()
    with pytest.raises(CollectionNotFoundError):
        getattr(database.collection(), change)(entity_ids=["a"])
    assert database.list_collections().items == []


def test_attributes_through_the_facade(collection):
    entities = collection.entities
    assert entities.get_entity_attributes("a").changed_seq is None
    reply = entities.set_entity_attributes("a", {"x": 1, "y": 2})
    assert (reply.attributes, reply.changed_seq) == ({"x": 1, "y": 2}, 4)
    assert entities.merge_entity_attributes("a", {"x": None}).attributes == {"y": 2}
    assert entities.get_entity_attributes("a", as_of=4).attributes == {"x": 1, "y": 2}
    assert entities.get_entity("a").attributes == {"y": 2}
    for wrong in (["x"], "x", None, 3):
        with pytest.raises(InvalidRequestError, match="must be an object"):
            entities.set_entity_attributes("a", wrong)
        with pytest.raises(InvalidRequestError, match="must be an object"):
            entities.merge_entity_attributes("a", wrong)
    deleted = entities.delete_entity("a")
    assert (deleted.deleted, deleted.seq - deleted.first_seq) == (2, 2)
    collection.restore_points(entity_ids=["a"])
    assert entities.get_entity("a").attributes == {"y": 2}


def test_points_beyond_the_retention_are_refused_at_the_door(opened):
    clock = ManualClock()
    database = opened(clock=clock)
    collection = database.create_collection("c", dim=2, metric="l2", retention="1h")
    now = NOON // SECOND
    rows = points(("a", now, 1), ("a", now - 9_000, 1))
    with pytest.raises(UnprocessableError, match=r"points\[1\].timestamp: lies beyond the ret"):
        collection.ingest(rows)
    reply = collection.ingest(rows, on_error="skip_row")
    assert (reply.ingested, [one.code for one in reply.errors]) == (1, ["beyond_retention"])
    database.update_collection("c", retention=None)
    assert collection.ingest(rows).ingested == 1


def test_a_reply_is_told_to_the_promise_it_was_asked_with(collection):
    promise = writes.Future()
    collection.enqueue(batch_of(2, first=50), "reject_all", promise, "replace")
    assert promise.result(20).ingested == 2


@pytest.fixture
def described(database):
    """Forty points with metadata, row n of entity e0 to e3; e1 is red."""
    made = database.create_collection("described", dim=1, metric="l2")
    made.ingest(
        [
            {
                "entity_id": f"e{row % 4}",
                "timestamp": row * SECOND,
                "vector": [float(row)],
                "metadata": {"row": row, "kind": "ab"[row % 2]},
            }
            for row in range(40)
        ]
    )
    made.entities.set_entity_attributes("e1", {"fleet": "red"})
    return made


def left(collection):
    reply = collection.temporal_knn([0.0], k=100, include=["metadata"])
    return [hit.metadata["row"] for hit in reply.hits]


@pytest.mark.parametrize(
    ("selector", "gone"),
    [
        ({"filter": {"row": {"$lt": 5}}}, range(5)),
        ({"filter": {"kind": "a"}, "entity_ids": ["e0", "e1"]}, range(0, 40, 4)),
        ({"filter": {"kind": "a"}, "end_time": 5 * SECOND}, (0, 2, 4)),
        (
            {"filter": {"$attributes": {"fleet": "red"}}, "start_time": 20 * SECOND},
            range(21, 40, 4),
        ),
        ({"filter": {"row": {"$lt": 9}, "$attributes": {"fleet": None}}}, (0, 2, 3, 4, 6, 7, 8)),
        ({"filter": {}, "entity_ids": ["e0"]}, range(0, 40, 4)),
        ({"filter": {"row": "5"}}, ()),
    ],
    ids=str,
)
def test_what_a_filter_lets_pass_is_deleted(described, selector, gone):
    expected = [row for row in range(40) if row not in gone]
    assert described.delete_points(**selector, dry_run=True).deleted == len(gone)
    assert left(described) == list(range(40))
    assert described.delete_points(**selector).deleted == len(gone)
    assert left(described) == expected
    assert described.delete_points(**selector).deleted == 0


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"filter": {}}, "body"),
        ({"filter": {"$and": [{}]}}, "body"),
        ({"filter": {"row": {"$lt": []}}}, "filter.row.$lt"),
        ({"filter": {"row": 1}, "points": [{"entity_id": "e0", "timestamp": SECOND}]}, "body"),
    ],
    ids=str,
)
def test_a_filter_must_say_something_and_stand_apart_from_points(described, selector, field):
    with pytest.raises(InvalidRequestError) as caught:
        described.delete_points(**selector)
    assert [detail.field for detail in caught.value.details] == [field]
    assert len(left(described)) == 40


def test_the_writer_finds_evaluated_what_was_there_when_the_delete_was_asked_for(
    described, monkeypatch
):
    tested, run = [], PredicateRunner.run

    def noting(runner, predicate, documents):
        tested.append((threading.current_thread() is threading.main_thread(), len(documents)))
        return run(runner, predicate, documents)

    monkeypatch.setattr(PredicateRunner, "run", noting)
    assert described.delete_points(filter={"row": {"$gte": 30}}).deleted == 10
    assert tested == [(True, 40)]


def test_metadata_is_changed_by_keyword_and_record(collection):
    reply = collection.update_point("a", SECOND, {"n": 1, "o": {"p": 2}})
    assert (reply.changed, reply.seq, reply.point.seq) == (True, 4, 4)
    ref = PointRef(entity_id="a", timestamp=SECOND)
    again = collection.update(ref, PointPatch(metadata={"o": {"p": None}}))
    assert again.point.metadata == {"n": 1, "o": {}}
    point = collection.get_point("a", SECOND, include=["metadata", "vector"])
    assert (point.metadata, point.vector.tolist()) == ({"n": 1, "o": {}}, [1.0, 1.0])
    assert collection.get_point("a", SECOND, as_of=3).metadata == {}
    with pytest.raises(NotFoundError):
        collection.update_point("a", SECOND, {"n": 1}, key="k")
    for wrong in (None, [], "n"):
        with pytest.raises(InvalidRequestError) as caught:
            collection.update_point("a", SECOND, wrong)
        assert caught.value.details[0].field == "metadata"

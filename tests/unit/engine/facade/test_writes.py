"""Changes through the facade, by keyword and by record."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock, batch_of
from tests.unit.engine.workshop import points
from tsvec.engine.facade import writes
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    TooLargeError,
    UnprocessableError,
)
from tsvec.model.limits import Limits
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


def frame_of(rows, first=0, **columns):
    """A table of points a second apart, whose vectors count."""
    numbers = range(first, first + rows)
    made = {
        "entity_id": [f"e{n % 3}" for n in numbers],
        "timestamp": pa.array([n * SECOND for n in numbers], pa.timestamp("us", "UTC")),
        "vector": pa.array([[float(n), 1.0] for n in numbers], pa.list_(pa.float32(), 2)),
    }
    return pa.table(made | columns)


@pytest.fixture
def empty(database):
    return database.create_collection("frames", dim=2, metric="l2")


def values(collection):
    points = collection.list_points(include=["vector"], limit=1_000).items
    return [int(point.vector[0]) for point in points]


def test_a_frame_is_one_commit(empty):
    reply = empty.ingest(frame_of(5), on_error="skip_row")
    assert (reply.ingested, reply.seq, values(empty)) == (5, 5, [0, 1, 2, 3, 4])
    bad = frame_of(3, 5, entity_id=["a", None, "b"])
    with pytest.raises(InvalidRequestError) as caught:
        empty.ingest(bad)
    assert [(one.field, one.row) for one in caught.value.details] == [("points[1].entity_id", 1)]
    assert len(values(empty)) == 5
    reply = empty.ingest(bad, on_error="skip_row")
    assert (reply.ingested, [one.index for one in reply.errors]) == (2, [1])
    with pytest.raises(ConflictError, match="space"):
        empty.ingest(frame_of(1), space="other")


def test_what_is_no_kind_of_points_is_told_which_there_are(empty):
    for other in (5, {"entity_id": "a"}, "points", b"points", object()):
        with pytest.raises(InvalidRequestError, match="a sequence of mappings, a PointBatch, or a"):
            empty.ingest(other)


def test_frames_are_as_many_commits_as_it_takes(empty):
    replies, submit = [], type(empty).submit

    def noting(self, batch, *policy):
        replies.append(len(batch))
        return submit(self, batch, *policy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(empty), "submit", noting)
        reply = empty.ingest_frames(frame_of(10).to_reader(), commit_rows=4)
        again = empty.ingest_frames([frame_of(3), frame_of(3, 9)], commit_rows=2)
    assert replies == [4, 4, 2, 2, 1, 2, 1]
    assert (reply.ingested, reply.seq, reply.durable) == (10, 10, True)
    assert (again.ingested, again.unchanged, again.seq) == (2, 4, 12)
    assert values(empty) == list(range(12))


def test_rows_are_counted_over_all_frames(empty):
    last = frame_of(2, 6, entity_id=["c", None])
    frames = [frame_of(3), frame_of(3, 3, entity_id=["a", None, "b"]), last]
    reply = empty.ingest_frames(frames, commit_rows=2, on_error="skip_row")
    assert (reply.ingested, reply.rejected) == (6, 2)
    assert [error.index for error in reply.errors] == [4, 7]
    assert "points[4].entity_id" in reply.errors[0].message


def test_what_fails_stops_the_load_and_says_how_far_it_came(empty):
    coming = iter([frame_of(3), frame_of(3, 3, entity_id=["a", "b", None]), frame_of(2, 6)])
    with pytest.raises(InvalidRequestError) as caught:
        empty.ingest_frames(coming, commit_rows=2)
    assert caught.value.message.startswith("the rows before 5 are stored, up to change 5; then: ")
    assert [(one.field, one.row) for one in caught.value.details] == [("points[5].entity_id", 5)]
    assert values(empty) == [0, 1, 2, 3, 4]
    assert len(list(coming)) == 1, "what comes after is not read"
    other = frame_of(2, 20, vector=pa.array([[1.0]] * 2, pa.list_(pa.float32(), 1)))
    with pytest.raises(InvalidRequestError, match=r"before 2 .*points\[2\].vector: 2 elements are"):
        empty.ingest_frames([frame_of(2, 10), other])
    rows = frame_of(2, 10, vector=frame_of(2, 50)["vector"])
    with pytest.raises(ConflictError, match="before 2 are stored") as conflict:
        empty.ingest_frames([frame_of(2, 30), rows], on_conflict="error")
    assert [one.row for one in conflict.value.details] == [2, 3]


def test_frames_make_the_default_collection(opened):
    database = opened()
    frames = [frame_of(2).rename_columns(["id", "t", "v"]), frame_of(2, 2).drop_columns("vector")]
    names = {"id": "entity_id", "t": "timestamp"}
    with pytest.raises(InvalidRequestError, match="before 2 are stored"):
        database.collection().ingest_frames(frames, columns=names, vector="v")
    assert database.get_collection("default").dim == 2


def test_metadata_too_large_for_one_commit_is_stored_in_several(opened):
    empty = opened(limits=Limits(body_bytes_max=500)).create_collection("c", dim=2, metric="l2")
    frame = frame_of(40, metadata=[f'{{"text": "{n:040}"}}' for n in range(40)])
    with pytest.raises(TooLargeError, match="metadata"):
        empty.ingest(frame)
    assert values(empty) == []
    assert empty.ingest_frames(frame).ingested == 40
    assert values(empty) == list(range(40))

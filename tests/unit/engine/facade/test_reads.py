"""Questions, each of them now, in the past, or as soon as a change is there."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock
from tests.unit.engine.workshop import points
from tsvec.model.errors import (
    CollectionNotFoundError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from tsvec.model.lists.requests import PointRequest, PointsRequest
from tsvec.model.queries import TemporalKnnRequest


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def collection(opened, clock):
    """(a, 1) was 1 at seq 1, is 5 since seq 3; (b, 1) was deleted with seq 4; c came with seq 5."""
    made = opened(clock=clock).create_collection("c", dim=2, metric="l2")
    made.ingest(points(("a", 1, 1), ("b", 1, 2)))
    clock.now += SECOND
    made.ingest(points(("a", 1, 5)))
    clock.now += SECOND
    made.delete_points(entity_ids=["b"])
    clock.now += SECOND
    made.ingest(points(("c", 7_300, 1)))
    return made


EXPECTED = {
    0: {},
    1: {"a": 1.0},
    2: {"a": 1.0, "b": 2.0},
    3: {"a": 5.0, "b": 2.0},
    4: {"a": 5.0},
    5: {"a": 5.0, "c": 1.0},
}


def found(reply):
    return {hit.entity_id: hit.vector[0] for hit in reply.hits}


@pytest.mark.parametrize("seq", EXPECTED)
def test_every_read_may_look_back(collection, seq):
    expected, entities = EXPECTED[seq], collection.entities
    reply = collection.temporal_knn([0.0, 0.0], include=["vector"], as_of=seq)
    assert (found(reply), reply.as_of_seq) == (expected, seq)
    windows = collection.list_windows(as_of=seq)
    assert sum(window.points for window in windows.items) == len(expected)
    stats = collection.get_collection_stats(as_of=seq)
    assert (stats.points, stats.entities, stats.as_of_seq) == (len(expected), len(expected), seq)
    for entity, value in expected.items():
        assert entities.get_entity(entity, as_of=seq).as_of_seq == seq
        [point] = entities.get_history(entity, include=["vector"], as_of=seq).items
        assert point.vector[0] == value
        assert entities.get_entity_attributes(entity, as_of=seq).as_of_seq == seq
    assert len(collection.list_deleted_points(as_of=seq).items) == (seq >= 4)


def test_the_past_is_named_by_seq_or_recorded_time(collection, clock):
    for moment in (2, "2", "2027-01-15T08:00:00.5Z"):
        reply = collection.temporal_knn([0.0, 0.0], include=["vector"], as_of=moment)
        assert (found(reply), reply.as_of_seq) == (EXPECTED[2], 2)
    for wrong in (6, "9", "2027-01-15T09:00:00Z", -1, 1.5, "soon", True):
        with pytest.raises(InvalidRequestError) as caught:
            collection.temporal_knn([0.0, 0.0], as_of=wrong)
        assert caught.value.details[0].field == "as_of"


def test_questions_of_a_batch_look_back_each_for_itself(collection):
    question = {"query_vector": [0.0, 0.0], "include": ["vector"]}
    questions = [question | {"as_of": 3}, question, question | {"as_of": 1}]
    batch = collection.temporal_knn_batch(questions)
    assert [found(reply) for reply in batch.results] == [EXPECTED[3], EXPECTED[5], EXPECTED[1]]
    assert (batch.as_of_seq, [one.as_of_seq for one in batch.results]) == (5, [3, 5, 1])
    with pytest.raises(InvalidRequestError) as caught:
        collection.temporal_knn_batch([*questions, questions[0] | {"as_of": 77}])
    assert (caught.value.details[0].field, caught.value.details[0].row) == ("queries[3].as_of", 3)


def test_a_batch_waits_for_the_last_change_it_names(collection, monkeypatch):
    monkeypatch.setattr(collection._store(), "wait_seconds_max", 0)
    question = {"query_vector": [0.0, 0.0]}
    assert collection.temporal_knn_batch([question | {"wait_for_seq": 5}]).as_of_seq == 5
    with pytest.raises(UnavailableError, match="change 6 did not come"):
        collection.temporal_knn_batch([question, question | {"wait_for_seq": 6}, question])


def test_prepared_questions_keep_their_moment(collection):
    prepared = collection.prepare(TemporalKnnRequest(query_vector=[0.0, 0.0], as_of=2))
    collection.delete_points(entity_ids=["a", "c"])
    collection.compact()
    assert b'"as_of_seq":2' in collection.encode_answers([prepared])[0].replace(b" ", b"")


def test_deleted_points_are_listed_by_their_deletion(collection, clock):
    clock.now = NOON + 10 * SECOND
    collection.delete_points(entity_ids=["a", "c"])
    page = collection.list_deleted_points(limit=2)
    assert [(one.entity_id, one.deleted_seq) for one in page.items] == [("c", 7), ("a", 6)]
    assert page.items[0].deleted_at.timestamp() * SECOND == clock.now
    rest = collection.list_deleted_points(limit=2, cursor=page.next_cursor)
    assert [one.entity_id for one in rest.items] == ["b"]
    assert rest.next_cursor is None
    assert [p.entity_id for p in collection.list_deleted_points(entity_ids=["a"]).items] == ["a"]
    collection.ingest(points(("b", 1, 9)))
    assert len(collection.list_deleted_points().items) == 2, "b is there again"


def test_points_are_listed_by_keyword_and_record(collection):
    page = collection.list_points(limit=1, order="desc")
    assert page == collection.points(PointsRequest(limit=1, order="desc"))
    assert [one.entity_id for one in page.items] == ["c"]
    assert collection.list_points(entity_ids=["b"]).items == []
    [before] = collection.list_points(entity_ids=["b"], as_of=3).items
    assert before.seq == 2
    assert len(collection.list_points(filter={"n": None}).items) == 2
    with pytest.raises(InvalidRequestError) as caught:
        collection.list_points(filter={"n": {"$gt": None}})
    assert caught.value.details[0].field == "filter.n.$gt"


def test_a_point_is_read_by_keyword_and_record(collection):
    point = collection.get_point("a", "1970-01-01T00:00:01Z", include=["vector"])
    assert (point.seq, point.vector[0]) == (3, 5.0)
    request = PointRequest(entity_id="a", timestamp=SECOND, as_of=2)
    assert collection.point(request).seq == 1
    for name, fields in (("b", {}), ("a", {"key": "k"}), ("nobody", {}), ("a", {"as_of": 0})):
        with pytest.raises(NotFoundError, match="has no point"):
            collection.get_point(name, SECOND, **fields)
    for wrong, field in (
        ({"key": ""}, "key"),
        ({"as_of": 99}, "as_of"),
        ({"include": ["x"]}, "include[0]"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            collection.get_point("a", SECOND, **wrong)
        assert caught.value.details[0].field == field


def test_points_are_read_as_columns(collection, clock):
    for seq, expected in EXPECTED.items():
        table = collection.read_points(as_of=seq).read_all()
        assert table.column_names == [
            "entity_id",
            "entity_type",
            "timestamp",
            "key",
            "metadata",
            "vector",
        ]
        names, vectors = table["entity_id"].to_pylist(), table["vector"].to_pylist()
        assert {name: vector[0] for name, vector in zip(names, vectors, strict=True)} == expected
    reader = collection.read_points(entity_types=["GENERIC"], start_time=2 * SECOND, wait_for_seq=5)
    assert reader.read_all()["entity_id"].to_pylist() == ["c"]
    for wrong in ({"include": ["colour"]}, {"limit": 5}, {"as_of": 99}, {"filter": {"$x": 1}}):
        with pytest.raises(InvalidRequestError):
            collection.read_points(**wrong)


def test_entities_are_read_with_the_type_they_had(collection):
    before = collection.read_points(entity_ids=["a"])
    collection.ingest(entity_id="a", timestamp=2 * SECOND, vector=[1.0, 1.0], entity_type="ship")
    for reader in (before, collection.read_points(entity_ids=["a"], as_of=5)):
        assert reader.read_all()["entity_type"].to_pylist() == ["GENERIC"]
    now = collection.read_points(entity_types=["ship"]).read_all()
    assert now["entity_type"].to_pylist() == ["ship", "ship"]


def test_what_a_reader_reads_is_fixed_when_it_is_made(collection):
    reader = collection.read_points(include=["seq"])
    collection.delete_points(entity_ids=["a", "c"])
    collection.ingest(points(("d", 3, 1)))
    collection.compact()
    assert reader.read_all()["seq"].to_pylist() == [3, 5]
    assert collection.read_points(include=["seq"]).read_all()["seq"].to_pylist() == [8]


def test_a_reader_ends_with_its_collection_and_its_database(opened, clock):
    database = opened(clock=clock)
    made = database.create_collection("c", dim=2, metric="l2")
    made.ingest(points(("a", 1, 1)))
    reader = made.read_points()
    database.delete_collection("c")
    with pytest.raises(CollectionNotFoundError, match="deleted"):
        reader.read_all()
    made = database.create_collection("c", dim=2, metric="l2")
    made.ingest(points(("a", 1, 1)))
    reader = made.read_points()
    database.close()
    with pytest.raises(UnavailableError, match="closed"):
        reader.read_all()

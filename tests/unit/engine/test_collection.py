"""The facade of a collection: forms of ingest, the collection that makes itself, concurrency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.unit.engine.rig import batch_of, settle, store_of
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    InvalidRequestError,
    TooLargeError,
)
from tsvec.model.limits import LIMITS
from tsvec.model.points import PointInput
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest

POINT = {"entity_id": "a", "vector": [1.0, 2.0]}


def points_of(collection):
    return collection.temporal_knn([0.0, 1.0], k=100, include=["vector", "metadata"]).hits


@pytest.mark.parametrize(
    ("args", "columns"),
    [
        (([POINT | {"timestamp": "1970-01-01T00:00:05Z"}],), {}),
        (([PointInput(**POINT, timestamp=5_000_000)],), {}),
        ((), {**POINT, "timestamp": datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)}),
        ((), {**POINT, "timestamp": np.datetime64(5, "s")}),
        (
            (),
            {
                "entity_id": ["a"],
                "vector": np.array([[1.0, 2.0]]),
                "timestamp": np.array([5], "datetime64[s]"),
            },
        ),
    ],
)
def test_a_point_may_be_given_in_any_form(database, args, columns):
    reply = database.collection("c").ingest(*args, **columns)
    assert (reply.ingested, reply.rejected, reply.errors, reply.seq) == (1, 0, [], 1)
    assert reply.durable
    [hit] = points_of(database.collection("c"))
    assert (hit.entity_id, hit.vector.tolist(), hit.metadata) == ("a", [1.0, 2.0], {})
    assert hit.timestamp == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert hit.recorded_at == reply.recorded_at


def test_a_point_without_a_time_has_that_of_its_commit(database):
    reply = database.collection("c").ingest([POINT])
    assert points_of(database.collection("c"))[0].timestamp == reply.recorded_at


def test_either_points_or_columns_are_given(database):
    for wrong in (lambda c: c.ingest(), lambda c: c.ingest([POINT], entity_id="a")):
        with pytest.raises(InvalidRequestError, match="either points or columns"):
            wrong(database.collection("c"))


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([POINT, POINT | {"vector": [1.0]}], "points[1].vector"),
        ([POINT, POINT | {"vector": [1.0, float("nan")]}], "points[1].vector[1]"),
        ([POINT, POINT | {"vector": [1.0, 1e39]}], "points[1].vector[1]"),
        ([POINT, POINT | {"vector": [1.0, True]}], "points[1].vector[1]"),
        ([POINT, POINT | {"vector": "1,2"}], "points[1].vector"),
        ([POINT, POINT | {"vector": [[1.0, 2.0]]}], "points[1].vector[0]"),
        ([POINT, POINT | {"timestamp": datetime(2026, 1, 1)}], "points[1].timestamp"),  # noqa: DTZ001
        ([POINT, POINT | {"colour": "red"}], "points[1].colour"),
        ([POINT, {"entity_id": "a"}], "points[1].vector"),
    ],
)
def test_a_bad_row_refuses_the_batch_or_only_itself(database, rows, field):
    collection = database.collection("c")
    with pytest.raises(InvalidRequestError) as caught:
        collection.ingest(rows)
    assert (caught.value.details[0].field, caught.value.details[0].row) == (field, 1)
    assert collection.get_collection_stats().points == 0
    reply = collection.ingest(rows, on_error="skip_row")
    assert (reply.ingested, reply.rejected, reply.seq) == (1, 1, 1)
    assert [(error.index, error.code) for error in reply.errors] == [(1, "invalid_request")]


def test_an_entity_has_one_type_but_generic_may_become_another(database):
    collection = database.collection("c")
    collection.ingest([POINT])
    assert points_of(collection)[0].entity_type == "GENERIC"
    keyed = [POINT | {"key": key} for key in "abc"]
    collection.ingest([keyed[0], keyed[1] | {"entity_type": "ship"}, keyed[2]])
    assert {hit.entity_type for hit in points_of(collection)} == {"ship"}
    bad = [POINT, POINT | {"entity_type": "plane"}, POINT | {"entity_type": "ship"}]
    with pytest.raises(ConflictError, match=r"points\[1\].entity_type: entity 'a' is of") as caught:
        collection.ingest(bad)
    assert [detail.row for detail in caught.value.details] == [1]
    assert collection.get_collection_stats().points == 4
    bad = [one | {"key": key} for one, key in zip(bad, "def", strict=True)]
    reply = collection.ingest(bad, on_error="skip_row")
    assert [(error.index, error.code) for error in reply.errors] == [(1, "conflict")]
    assert (reply.ingested, reply.seq) == (2, 6)
    with pytest.raises(ConflictError):
        collection.ingest([POINT | {"entity_type": "GENERIC"}])


@pytest.fixture
def default(opened):
    return opened().collection()


def test_the_default_collection_is_made_by_its_first_ingest(default):
    with pytest.raises(CollectionNotFoundError):
        default.get_collection_stats()
    assert default.dim is None
    default.ingest([{"entity_id": "a", "vector": [0.0, 3.0, 4.0]}])
    assert default.dim == 3
    assert default.temporal_knn([0.0, 6.0, 8.0]).hits[0].distance == 0.0


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([{"entity_id": "a", "vector": [0.0, 0.0]}], InvalidRequestError),
        ([{"entity_id": "", "vector": [1.0, 0.0]}], InvalidRequestError),
        ([POINT, POINT | {"vector": [1.0]}], InvalidRequestError),
        ([], InvalidRequestError),
        (
            [POINT | {"entity_type": "ship"}, POINT | {"entity_type": "plane"}],
            ConflictError,
        ),
        ([POINT] * (LIMITS.batch_rows_max + 1), TooLargeError),
    ],
)
def test_a_refused_ingest_makes_no_default_collection(default, rows, error):
    with pytest.raises(error):
        default.ingest(rows)
    assert default.dim is None
    assert default.ingest(entity_id="a", vector=[1.0, 2.0, 3.0]).seq == 1


def test_skipped_rows_do_not_keep_the_default_collection_from_being_made(default):
    zero = {"entity_id": "a", "vector": [0.0, 0.0]}
    with pytest.raises(InvalidRequestError, match="no row is good enough"):
        default.ingest([zero, zero], on_error="skip_row")
    assert default.dim is None
    reply = default.ingest([zero, POINT, {"entity_id": "a"}], on_error="skip_row")
    assert (reply.ingested, [error.index for error in reply.errors]) == (1, [0, 2])


def test_many_threads_make_one_default_collection(default):
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: default.ingest([POINT]), range(16)))
    assert sorted(reply.seq for reply in replies) == list(range(1, 17))


def test_concurrent_batches_are_whole_and_their_seqs_have_no_gap(opened):
    """Eight threads; each batch has a contiguous run of seqs, and nothing is lost or doubled."""
    database = opened(seal_rows=128)
    collection = database.create_collection("c", dim=2, metric="l2")
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 12, (8, 25))

    def write(thread):
        return [
            (
                f"t{thread}-{turn}",
                size,
                collection.ingest(batch_of(size, entity_id=f"t{thread}-{turn}")),
            )
            for turn, size in enumerate(sizes[thread].tolist())
        ]

    with ThreadPoolExecutor(8) as pool:
        written = [entry for done in pool.map(write, range(8)) for entry in done]
    ends = sorted(reply.seq for _, _, reply in written)
    assert ends[-1] == sizes.sum() == collection.get_collection_stats().points
    by_end = {reply.seq: size for _, size, reply in written}
    assert [end - by_end[end] for end in ends] == [0, *ends[:-1]]
    for name, size, reply in written:
        points = collection.entities.get_history(name, limit=100).items
        assert [point.seq for point in points] == list(range(reply.seq - size + 1, reply.seq + 1))
        assert {point.recorded_at for point in points} == {reply.recorded_at}
    recorded = [reply.recorded_at for _, _, reply in sorted(written, key=lambda w: w[2].seq)]
    assert recorded == sorted(recorded)


def test_a_batch_of_questions_is_answered_like_each_alone(opened):
    database = opened(seal_rows=32)
    collection = database.create_collection("c", dim=5, metric="cosine")
    rng = np.random.default_rng(2)
    for _ in range(4):
        vectors = rng.standard_normal((50, 5)).astype(np.float32)
        collection.ingest(replace(batch_of(50), vector=vectors))
        settle(database)
    questions = [
        {
            "query_vector": rng.standard_normal(5).tolist(),
            "k": int(rng.integers(1, 60)),
            "start_time": int(rng.integers(0, 40)) * 1_000_000,
            "distinct": "entity" if turn % 3 == 0 else None,
            "include": [["metadata"], ["vector"], []][turn % 3],
        }
        for turn in range(12)
    ] + [{"entity_id": "e1", "at": 7_000_000}, {"query_vector": [1.0] * 5, "end_time": -1}]
    batch = collection.temporal_knn_batch(questions)
    alone = [collection.temporal_knn(**question) for question in questions]
    assert batch.as_of_seq == 200
    assert [reply.model_dump_json() for reply in batch.results] == [
        reply.model_dump_json() for reply in alone
    ]
    record = TemporalKnnBatchRequest(queries=[TemporalKnnRequest(**q) for q in questions])
    assert collection.answer_batch(record).model_dump_json() == batch.model_dump_json()


def test_a_bad_question_in_a_batch_is_named(database):
    collection = database.collection("c")
    collection.ingest([POINT])
    with pytest.raises(InvalidRequestError) as caught:
        collection.temporal_knn_batch([{"query_vector": [1.0, 2.0]}, {"k": 0}])
    assert caught.value.details[0].field == "queries[1].k"
    assert caught.value.details[0].row == 1


def test_encoded_answers_are_the_records_as_json(opened):
    database = opened(seal_rows=16)
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(20, metadata='{"a":[1,2.5,null,"é"]}'.encode()))
    settle(database)
    requests = [
        TemporalKnnRequest(query_vector=[3.3, 1.0], k=7),
        TemporalKnnRequest(query_vector=[0.1, 0.7], include=["vector"], distinct="entity"),
        TemporalKnnRequest(entity_id="e1", include=[], end_time=-5),
    ]
    encoded = collection.encode_answers([collection.prepare(request) for request in requests])
    for request, text in zip(requests, encoded, strict=True):
        reply = type(collection.answer(request)).model_validate_json(text)
        assert reply.model_dump_json() == collection.answer(request).model_dump_json()


def test_stats_tell_hot_from_sealed_and_what_lies_on_disk(opened):
    database = opened(seal_rows=16)
    collection = database.create_collection("c", dim=2, metric="l2")
    empty = collection.get_collection_stats()
    assert (empty.points, empty.first_time, empty.last_time) == (0, None, None)
    collection.ingest(batch_of(20))
    settle(database)
    store = store_of(database)
    collection.delete_points(points=[{"entity_id": "e3", "timestamp": 3_000_000}])
    with store.arranging:
        commit_manifest(store, Arrangement())
    stats = collection.get_collection_stats()
    assert (stats.hot_points, stats.sealed_points, stats.partitions) == (4, 15, 1)
    assert (stats.points, stats.dead_points, stats.entities, stats.as_of_seq) == (19, 1, 5, 21)
    assert (stats.windows, stats.gaps, stats.write_amplification) == (1, 0, 1.0)
    assert (stats.first_time.timestamp(), stats.last_time.timestamp()) == (0, 19)
    root = store.paths.root
    sizes = {
        "partitions": sum(path.stat().st_size for path in root.rglob("points.duckdb")),
        "columns": sum(path.stat().st_size for path in root.rglob("columns.bin")),
        "state": sum(path.stat().st_size for path in root.rglob("state-*.duckdb")),
        "log": sum(path.stat().st_size for path in root.rglob("*.log")),
        "overlays": sum(path.stat().st_size for path in root.rglob("overlays/*.bin")),
    }
    assert stats.bytes.model_dump() == sizes
    assert all(sizes.values())


def test_the_cost_of_a_question_follows_the_rows_it_may_read(opened):
    database = opened(seal_rows=16)
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(4_000))
    few, many = (
        collection.prepare(TemporalKnnRequest(query_vector=[1.0, 1.0], end_time=end)).plan.cost_us
        for end in (10_000_000, None)
    )
    assert 0 < few < many

"""What is near: decay of a state, walks, batches that share work, and spaces."""

from __future__ import annotations

import orjson
import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock
from tests.unit.engine.workshop import points
from tsvec.model.errors import ConflictError, GoneError, InvalidRequestError
from tsvec.model.nearest.requests import TemporalKnnWalkRequest
from tsvec.model.points import PointBatch
from tsvec.model.queries import TemporalKnnBatchRequest
from tsvec.model.times import time_to_datetime
from tsvec.query import knn

ORIGIN = [0.0, 1.0]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def collection(opened, clock):
    """a at NOON (seq 1), b a second later (seq 2), a replaced after another second (seq 3)."""
    made = opened(clock=clock).create_collection("c", dim=2, metric="l2")
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        made.ingest(points((name, clock.now // SECOND if name == "b" else NOON // SECOND, value)))
        clock.now += SECOND
    return made


def scores(reply):
    return {hit.entity_id: hit.score for hit in reply.hits}


def test_ages_count_from_the_state_that_is_asked_of(collection, clock):
    """Recorded at NOON, NOON + 1 s and NOON + 2 s, so at seq 2 a is a second old."""
    decay = {"half_life": "1s"}
    assert scores(collection.temporal_knn(ORIGIN, time_decay=decay)) == {"a": 1 / 16, "b": 1 / 6}
    assert scores(collection.temporal_knn(ORIGIN, time_decay=decay, as_of=2)) == {
        "a": 1 / 4,
        "b": 1 / 3,
    }
    moment = time_to_datetime(NOON + 3 * SECOND)
    by_time = collection.temporal_knn(ORIGIN, time_decay=decay, as_of=moment)
    assert scores(by_time) == {"a": 1 / 32, "b": 1 / 12}


def test_an_end_or_a_time_that_is_given_counts_first(collection):
    noon = {"half_life": "1s", "decay_at": NOON}
    assert scores(collection.temporal_knn(ORIGIN, time_decay=noon)) == {"a": 1 / 4, "b": 1 / 3}
    late = collection.temporal_knn(
        ORIGIN, time_decay={"half_life": "1s"}, end_time=NOON + 5 * SECOND
    )
    assert scores(late) == {"a": 2**-5 / 4, "b": 2**-4 / 3}


def test_the_newest_answer_comes_again_with_its_seq(collection, clock):
    first = collection.temporal_knn(ORIGIN, time_decay={"half_life": "7s"})
    clock.now += 100 * SECOND
    collection.ingest(points(("c", 5, 0)))
    again = collection.temporal_knn(ORIGIN, time_decay={"half_life": "7s"}, as_of=first.as_of_seq)
    assert again == first


def test_dot_products_do_not_decay(opened):
    made = opened().create_collection("c", dim=2, metric="dot")
    with pytest.raises(InvalidRequestError, match="metric is dot") as caught:
        made.temporal_knn([1, 0], time_decay={"half_life": "1s"})
    assert caught.value.details[0].field == "time_decay"


def test_a_walk_is_many_single_questions(collection):
    walk = collection.temporal_knn_walk(ORIGIN, as_of_each=[0, 1, 2, 3, 2], k=5)
    assert walk.results == [collection.temporal_knn(ORIGIN, k=5, as_of=n) for n in (0, 1, 2, 3, 2)]
    assert [reply.as_of_seq for reply in walk.results] == [0, 1, 2, 3, 2]
    assert walk.as_of_seq == 3


def test_a_walk_names_the_moment_at_fault(collection):
    with pytest.raises(InvalidRequestError, match=r"as_of_each\[1\]: as_of") as caught:
        collection.temporal_knn_walk(ORIGIN, as_of_each=[1, 99])
    [detail] = caught.value.details
    assert (detail.field, detail.row) == ("as_of_each[1]", 1)
    with pytest.raises(InvalidRequestError) as caught:
        collection.temporal_knn_walk([1.0], as_of_each=[1])
    assert caught.value.details[0].field == "query_vector"
    with pytest.raises(GoneError, match=r"as_of_each\[0\]"):
        collection.temporal_knn_walk(ORIGIN, as_of_each=["2020-01-01T00:00:00Z"])


def test_json_is_what_the_records_say(collection):
    queries = [{"query_vector": ORIGIN, "k": k} for k in (1, 2)]
    batch = TemporalKnnBatchRequest(queries=queries)
    walk = TemporalKnnWalkRequest(query_vector=ORIGIN, as_of_each=[1, 2])
    for request, reply in (
        (batch, collection.answer_batch(batch)),
        (walk, collection.answer_walk(walk)),
    ):
        assert orjson.loads(collection.encode_batch(request)) == orjson.loads(
            reply.model_dump_json()
        )


def test_questions_about_the_same_rows_choose_them_once(collection, monkeypatch):
    chosen, choose = [], knn._choose
    monkeypatch.setattr(knn, "_choose", lambda *a: chosen.append(a) or choose(*a))
    one = {"query_vector": ORIGIN}
    alike = [
        one | {"k": 1, "as_of": 3},
        one | {"query_vector": [9.0, 9.0]},
        one | {"distinct": "entity"},
    ]
    collection.temporal_knn_batch(alike * 5)
    assert len(chosen) == 1
    others = [
        one | {"as_of": 2},
        one | {"end_time": 5},
        one | {"entity_ids": ["a"]},
        one | {"entity_types": ["x"]},
        {"entity_id": "a"},
        {"entity_id": "b"},
        one | {"filter": {"n": 1}},
        one | {"filter": {"n": True}},
        one | {"explain": True},
    ]
    collection.temporal_knn_batch([one, *others] * 2)
    assert len(chosen) == 2 + len(others)


def test_moments_that_are_the_same_are_read_once(collection, monkeypatch):
    store = collection._store()
    reads, read = [], type(store).read
    monkeypatch.setattr(type(store), "read", lambda *a, **k: reads.append(1) or read(*a, **k))
    collection.temporal_knn_walk(ORIGIN, as_of_each=[1, 2, 1, 2, 1])
    assert len(reads) == 3


def test_range_and_diff_look_back_too(collection):
    assert collection.temporal_range(ORIGIN, radius=1.5, as_of=1).matched.value == 1
    assert collection.temporal_range(ORIGIN, radius=1.5).matched.value == 0
    second = NOON + SECOND
    ranges = {"before": {"end_time": second}, "after": {"start_time": second}}
    diff = collection.temporal_diff(ORIGIN, **ranges, k=1)
    assert [one.hit.entity_id for one in (*diff.entered, *diff.left)] == ["b", "a"]
    assert collection.temporal_diff(ORIGIN, **ranges, k=1, as_of=1).entered == []


VERBS = {
    "temporal_knn": {},
    "temporal_range": {"radius": 1},
    "temporal_diff": {"before": {}, "after": {}},
    "temporal_knn_walk": {"as_of_each": [0]},
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_question_of_another_space_is_refused(opened, verb):
    database = opened()
    made = database.create_collection("c", dim=2, space="model-1")
    ask = getattr(made, verb)
    ask([1, 0], **VERBS[verb])
    ask([1, 0], space="model-1", **VERBS[verb])
    with pytest.raises(ConflictError, match="'c' is 'model-1', not 'model-2'") as caught:
        ask([1, 0], space="model-2", **VERBS[verb])
    assert caught.value.details[0].field.endswith("space")
    plain = database.create_collection("plain", dim=2)
    with pytest.raises(ConflictError, match="'plain' has no space; set it with update_collection"):
        getattr(plain, verb)([1, 0], space="model-1", **VERBS[verb])


def test_points_of_another_space_are_refused(opened):
    database = opened()
    made = database.create_collection("c", dim=2)
    fields = {"entity_id": "a", "vector": [1.0, 0.0]}
    with pytest.raises(ConflictError, match="has no space"):
        made.ingest(**fields, space="model-1")
    assert database.update_collection("c", space="model-1").space == "model-1"
    assert made.ingest(**fields, space="model-1").ingested == 1
    assert made.ingest(**fields).ingested == 1
    for batch in ([fields], points(("b", 1, 1))):
        assert isinstance(batch, list | PointBatch)
        with pytest.raises(ConflictError, match="not 'model-2'"):
            made.ingest(batch, space="model-2")
    assert made.get_collection_stats().points == 2


def test_a_space_is_set_once(opened):
    database = opened()
    database.create_collection("c", dim=2)
    before = database.update_collection("c", space="model-1").seq
    assert database.update_collection("c", space="model-1").seq == before
    with pytest.raises(ConflictError, match="is 'model-1', not 'model-2'"):
        database.update_collection("c", space="model-2")
    changed = database.update_collection("c", retention="30d")
    assert (changed.space, changed.retention) == ("model-1", "30d")
    with pytest.raises(InvalidRequestError):
        database.update_collection("c", space=None)


def test_a_space_outlives_a_restart(opened):
    database = opened()
    database.create_collection("c", dim=2)
    database.update_collection("c", space="modèle")
    database.close()
    assert opened().get_collection("c").space == "modèle"

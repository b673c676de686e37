"""A collection over HTTP: each method is one request."""

from __future__ import annotations

import json

import httpx
import orjson

from tests.unit.cli.remote.answers import (
    HISTORY,
    INGESTED,
    KNN,
    NOW,
    URL,
    remote,
    target_of,
)
from tsvec.cli.remote import collection
from tsvec.cli.remote.database import RemoteDatabase
from tsvec.model.lists.requests import EntitiesRequest, PointPatch, PointRequest, PointsRequest
from tsvec.model.nearest.requests import TemporalKnnWalkRequest
from tsvec.model.queries import (
    DeletedPointsRequest,
    DeletePointsRequest,
    HistoryRequest,
    PointRef,
    RestorePointsRequest,
    TemporalKnnBatchRequest,
    TemporalKnnRequest,
)
from tsvec.model.times import AsOf


def test_a_question_is_sent_as_its_record():
    database, seen = remote(KNN | {"as_of_seq": 3})
    request = TemporalKnnRequest(query_vector=[1.0, 2.0], start_time=0, k=3)
    assert database.collection("a").answer(request).as_of_seq == 3
    assert target_of(seen[0]) == "POST /v1/collections/a/query/temporal-knn"
    body = json.loads(seen[0].content)
    assert body["query_vector"] == [1.0, 2.0]
    assert body["start_time"] == "1970-01-01T00:00:00+00:00"
    assert "entity_id" not in body


def test_a_history_is_asked_by_its_parameters():
    database, seen = remote(HISTORY)
    request = HistoryRequest(entity_id="é/1", end_time=0, include=["metadata", "vector"])
    assert database.collection("a").entities.history(request).as_of_seq == 4
    assert target_of(seen[0]).startswith("GET /v1/collections/a/entities/%C3%A9%2F1/history?")
    assert sorted(seen[0].url.params.multi_items()) == [
        ("end_time", "1970-01-01T00:00:00+00:00"),
        ("include", "metadata"),
        ("include", "vector"),
        ("limit", "100"),
        ("order", "asc"),
    ]


def test_points_go_as_an_arrow_stream():
    database, seen = remote(INGESTED)
    assert database.collection("a").ingest_arrow(b"stream", "skip_row", "error").ingested == 1
    path = "/v1/collections/a/points?on_error=skip_row&on_conflict=error"
    assert target_of(seen[0]) == f"POST {path}"
    assert seen[0].headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert seen[0].content == b"stream"


def test_a_moment_goes_as_a_number_or_a_time():
    for moment, sent in ((AsOf(seq=7), 7), (AsOf(time=0), "1970-01-01T00:00:00+00:00")):
        database, seen = remote(KNN | {"as_of_seq": 3})
        database.collection("a").answer(TemporalKnnRequest(query_vector=[1.0], as_of=moment))
        assert json.loads(seen[0].content)["as_of"] == sent
        database, seen = remote(HISTORY)
        database.collection("a").entities.history(HistoryRequest(entity_id="e", as_of=moment))
        assert seen[0].url.params["as_of"] == str(sent)


CHANGED = {
    "dry_run": False,
    "missing": 0,
    "first_seq": 4,
    "seq": 5,
    "recorded_at": NOW,
    "durable": True,
}


def test_deletes_and_restores_are_sent_as_their_records():
    database, seen = remote(CHANGED | {"deleted": 2})
    request = DeletePointsRequest(points=[PointRef(entity_id="a", timestamp=0)], dry_run=True)
    assert database.collection("a").delete(request).deleted == 2
    assert target_of(seen[0]) == "POST /v1/collections/a/points/delete"
    assert json.loads(seen[0].content) == {
        "points": [{"entity_id": "a", "timestamp": "1970-01-01T00:00:00+00:00"}],
        "dry_run": True,
    }
    database, seen = remote(CHANGED | {"restored": 2, "occupied": 0})
    assert database.collection("a").restore(RestorePointsRequest(first_seq=4)).restored == 2
    assert target_of(seen[0]) == "POST /v1/collections/a/points/restore"
    assert json.loads(seen[0].content) == {"first_seq": 4, "dry_run": False}


def test_deleted_points_are_listed_by_parameters():
    database, seen = remote(HISTORY)
    request = DeletedPointsRequest(entity_ids=["a/b", "c"], limit=3)
    assert database.collection("a").deleted(request).items == []
    assert target_of(seen[0]).startswith("GET /v1/collections/a/points/deleted?")
    items = [("entity_ids", "a/b"), ("entity_ids", "c"), ("limit", "3")]
    assert sorted(seen[0].url.params.multi_items()) == items


def test_points_are_listed_by_parameters():
    database, seen = remote(HISTORY)
    filter_ = {"a b": {"$in": ["c+d", None]}}
    request = PointsRequest(entity_ids=[], filter=filter_, as_of=4, cursor="c", include=[])
    assert database.collection("a").points(request).items == []
    assert target_of(seen[0]).startswith("GET /v1/collections/a/points?")
    found = dict(seen[0].url.params.multi_items())
    assert orjson.loads(found.pop("filter")) == filter_
    assert found == {
        "entity_ids": "",
        "include": "",
        "as_of": "4",
        "cursor": "c",
        "limit": "100",
        "order": "asc",
    }


POINT = {
    "entity_id": "é/1",
    "entity_type": "GENERIC",
    "timestamp": NOW,
    "recorded_at": NOW,
    "seq": 1,
}
WHERE = "/v1/collections/a/points/%C3%A9%2F1/1970-01-01T00%3A00%3A00.000001%2B00%3A00"


def test_a_point_is_named_by_its_path():
    database, seen = remote(POINT)
    request = PointRequest(entity_id="é/1", timestamp=1, key="k")
    assert database.collection("a").point(request).seq == 1
    assert target_of(seen[0]).startswith(f"GET {WHERE}?")
    assert sorted(seen[0].url.params.multi_items()) == [("include", "metadata"), ("key", "k")]


def test_what_a_patch_takes_away_is_sent():
    reply = {"point": POINT, "changed": True, "seq": 2, "recorded_at": NOW, "durable": True}
    database, seen = remote(reply)
    ref = PointRef(entity_id="é/1", timestamp=1)
    patch = PointPatch(metadata={"a": None, "b": {"c": None}})
    assert database.collection("a").update(ref, patch).changed
    assert target_of(seen[0]) == f"PATCH {WHERE}"
    assert orjson.loads(seen[0].content) == {"metadata": {"a": None, "b": {"c": None}}}


def test_entities_are_listed_by_parameters():
    database, seen = remote(HISTORY)
    request = EntitiesRequest(prefix="é", sort="points", filter={"a": 1})
    assert database.collection("a").entities.summaries(request).items == []
    assert target_of(seen[0]).startswith("GET /v1/collections/a/entities?")
    assert sorted(seen[0].url.params.multi_items()) == [
        ("filter", '{"a":1}'),
        ("limit", "100"),
        ("order", "asc"),
        ("prefix", "é"),
        ("sort", "points"),
    ]


ATTRIBUTES = {"entity_id": "é/1", "attributes": {"a": 1}, "as_of_seq": 3, "changed_seq": 3}


def test_attributes_are_read_and_changed():
    database, seen = remote(ATTRIBUTES)
    entities, path = database.collection("a").entities, "/v1/collections/a/entities/%C3%A9%2F1"
    assert entities.get_entity_attributes("é/1", as_of=2).attributes == {"a": 1}
    assert entities.set_entity_attributes("é/1", {"a": 1}).changed_seq == 3
    assert entities.merge_entity_attributes("é/1", {"a": None}).changed_seq == 3
    assert [target_of(each) for each in seen] == [
        f"GET {path}/attributes?as_of=2",
        f"PUT {path}/attributes",
        f"PATCH {path}/attributes",
    ]
    assert [each.content for each in seen[1:]] == [b'{"a":1}', b'{"a":null}']


def test_a_compaction_is_watched_until_it_is_done(monkeypatch):
    monkeypatch.setattr(collection, "COMPACTION_PAUSE_SECONDS", 0)
    status = {"started_at": NOW, "merges": 0, "rows": 0, "bytes": 0, "partitions": 3, "waiting": 2}
    states = ["running", "running", "idle"]
    seen, told = [], []

    def answer(request):
        seen.append(target_of(request))
        return httpx.Response(200, json=status | {"state": states[len(seen) - 1], "problem": None})

    database = RemoteDatabase(URL, transport=httpx.MockTransport(answer))
    assert database.collection("a").compact(progress=told.append).state == "idle"
    path = "/v1/collections/a/compact"
    assert seen == [f"POST {path}", f"GET {path}", f"GET {path}"]
    assert [one.waiting for one in told] == [2, 2]
    del seen[:]
    assert database.collection("a").compact(wait=False).state == "running"
    assert len(seen) == 1


def test_batches_and_walks_are_sent_as_their_records():
    database, seen = remote({"results": [], "as_of_seq": 4})
    question = TemporalKnnRequest(query_vector=[1.0, 2.0])
    collection = database.collection("a")
    collection.answer_batch(TemporalKnnBatchRequest(queries=[question]))
    assert target_of(seen[0]) == "POST /v1/collections/a/query/temporal-knn/batch"
    assert json.loads(seen[0].content)["queries"][0]["query_vector"] == [1.0, 2.0]
    collection.answer_walk(TemporalKnnWalkRequest(query_vector=[1.0], as_of_each=[3, NOW]))
    assert target_of(seen[1]) == "POST /v1/collections/a/query/temporal-knn/walk"
    assert json.loads(seen[1].content)["as_of_each"] == [3, "2026-01-31T12:00:00+00:00"]


def test_a_model_of_vectors_is_sent_with_them():
    database, seen = remote(INGESTED)
    database.collection("a").ingest_arrow(b"", "skip_row", "ignore", "model-1")
    assert dict(seen[0].url.params)["space"] == "model-1"

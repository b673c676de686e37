"""Temporal kNN over HTTP. That the answers are right is tested below the server."""

from __future__ import annotations

import pytest

from tsvec.model.limits import LIMITS
from tsvec.server import services

KATRINA = [26.3, -88.6, 150, 902]


def ask(client, path, **question):
    return client.post(f"{path}/query/temporal-knn", json=question)


def test_by_vector(client, storms):
    body = ask(client, storms, query_vector=KATRINA, k=5).json()
    assert [hit["entity_id"] for hit in body["hits"]] == ["AL122005", "AL252005"]
    assert (body["returned"], body["exact"]) == (2, True)
    assert "explain" not in body
    assert "vector" not in body["hits"][0]


def test_by_entity_leaves_itself_out(client, storms):
    body = ask(client, storms, entity_id="AL122005").json()
    assert [hit["entity_id"] for hit in body["hits"]] == ["AL252005"]


def test_explain_and_include(client, storms):
    body = ask(client, storms, query_vector=KATRINA, include=["vector"], explain=True).json()
    assert body["hits"][0]["vector"] == KATRINA
    assert "metadata" not in body["hits"][0]
    assert body["explain"]["rows_scanned"] == 2


def test_a_batch_is_one_answer_a_question(client, storms):
    question = {"query_vector": KATRINA, "k": 1}
    reply = client.post(
        f"{storms}/query/temporal-knn/batch", json={"queries": [question, question | {"k": 2}]}
    )
    one = ask(client, storms, **question).json()
    assert reply.json()["results"][0] == one
    assert [result["returned"] for result in reply.json()["results"]] == [1, 2]


def test_inline_and_in_a_thread_is_the_same(client, storms, monkeypatch):
    inline = ask(client, storms, query_vector=KATRINA).json()
    monkeypatch.setattr("tsvec.server.routes.query.INLINE_US_MAX", 0)
    assert ask(client, storms, query_vector=KATRINA).json() == inline
    assert services.INLINE_US_MAX > 0


WRONG = [
    ({}, "body"),
    ({"query_vector": KATRINA, "entity_id": "AL122005"}, "body"),
    ({"query_vector": KATRINA, "at": "2005-01-01T00:00:00Z"}, "body"),
    ({"query_vector": [1, 2, 3]}, "query_vector"),
    ({"query_vector": []}, "query_vector"),
    ({"query_vector": [1, 2, 3, True]}, "query_vector[3]"),
    ({"query_vector": [1, 2, 3, "4"]}, "query_vector[3]"),
    ({"query_vector": [1, 2, [3], 4]}, "query_vector[2]"),
    ({"query_vector": [1, None, 3, 4]}, "query_vector[1]"),
    ({"query_vector": [1, 2, 3, 1e39]}, "query_vector[3]"),
    ({"query_vector": "1,2,3,4"}, "query_vector"),
    ({"query_vector": [0.5] * (LIMITS.dim_max + 1)}, "query_vector"),
    ({"query_vector": KATRINA, "k": 0}, "k"),
    ({"query_vector": KATRINA, "k": LIMITS.k_max + 1}, "k"),
    ({"query_vector": KATRINA, "k": True}, "k"),
    ({"query_vector": KATRINA, "k": "5"}, "k"),
    ({"query_vector": KATRINA, "k": 2.5}, "k"),
    ({"query_vector": KATRINA, "start_time": "2005-01-01T00:00:00"}, "start_time"),
    ({"query_vector": KATRINA, "start_time": 1104537600}, "start_time"),
    ({"query_vector": KATRINA, "end_time": "2005-02-30T00:00:00Z"}, "end_time"),
    ({"query_vector": KATRINA, "end_time": "2005-01-01T00:00:00.0000001Z"}, "end_time"),
    (
        {
            "query_vector": KATRINA,
            "start_time": "2006-01-01T00:00:00Z",
            "end_time": "2005-01-01T00:00:00Z",
        },
        "body",
    ),
    (
        {"query_vector": KATRINA, "entity_ids": ["a"] * (LIMITS.selector_items_max + 1)},
        "entity_ids",
    ),
    ({"query_vector": KATRINA, "entity_types": "hurricane"}, "entity_types"),
    ({"query_vector": KATRINA, "entity_types": [""]}, "entity_types[0]"),
    ({"query_vector": KATRINA, "distinct": "type"}, "distinct"),
    ({"query_vector": KATRINA, "include": ["all"]}, "include[0]"),
    ({"query_vector": KATRINA, "explain": "yes"}, "explain"),
    ({"query_vector": KATRINA, "limit": 5}, "limit"),
]


@pytest.mark.parametrize(("question", "field"), WRONG)
def test_a_question_that_is_wrong(client, storms, refused, question, field):
    body = refused(ask(client, storms, **question), 400, "invalid_request")
    assert [detail["field"] for detail in body["details"]] == [field]


@pytest.mark.parametrize(("question", "field"), WRONG)
def test_the_same_in_a_batch_names_the_question(client, storms, refused, question, field):
    queries = [{"query_vector": KATRINA}] * 3 + [question]
    reply = client.post(f"{storms}/query/temporal-knn/batch", json={"queries": queries})
    body = refused(reply, 400, "invalid_request")
    place = "queries[3]" if field == "body" else f"queries[3].{field}"
    assert [(detail["field"], detail["row"]) for detail in body["details"]] == [(place, 3)]


@pytest.mark.parametrize("count", [0, LIMITS.queries_max + 1])
def test_a_batch_of_no_or_too_many_questions(client, storms, refused, count):
    queries = [{"query_vector": KATRINA}] * count
    reply = client.post(f"{storms}/query/temporal-knn/batch", json={"queries": queries})
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "queries"


def test_a_batch_of_too_many_neighbours(client, storms, refused):
    most = LIMITS.batch_hits_max // LIMITS.k_max
    queries = [{"query_vector": KATRINA, "k": LIMITS.k_max}] * most
    path = f"{storms}/query/temporal-knn/batch"
    assert client.post(path, json={"queries": queries}).status_code == 200
    body = refused(
        client.post(path, json={"queries": [*queries, queries[0]]}), 400, "invalid_request"
    )
    assert "batch_hits_max" in body["message"]


def test_a_zero_vector_has_no_direction(client, refused):
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": "cosine"})
    reply = ask(client, "/v1/collections/c", query_vector=[0, 0])
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "query_vector"


def test_an_entity_nobody_saw(client, storms, refused):
    refused(ask(client, storms, entity_id="AL992005"), 404, "entity_not_found")


def test_an_entity_at_a_time_before_it_was_seen(client, storms, refused):
    reply = ask(client, storms, entity_id="AL122005", at="2004-01-01T00:00:00Z")
    refused(reply, 422, "insufficient_history")

"""Filters over HTTP: where faults are, what is repeated twice, and who evaluates what is cold."""

from __future__ import annotations

import threading

import pytest

from tsvec.storage.predicates.runner import PredicateRunner

KATRINA = [26.3, -88.6, 150, 902]


def ask(client, path, **question):
    return client.post(f"{path}/query/temporal-knn", json={"query_vector": KATRINA} | question)


def names(reply):
    return [hit["metadata"]["name"] for hit in reply.json()["hits"]]


def test_only_what_passes_is_found(client, storms):
    assert names(ask(client, storms, filter={"name": "WILMA"})) == ["WILMA"]
    assert names(ask(client, storms, filter={"name": {"$ne": "WILMA"}})) == ["KATRINA"]
    assert names(ask(client, storms, filter={})) == ["KATRINA", "WILMA"]
    assert names(ask(client, storms, filter=None)) == ["KATRINA", "WILMA"]
    assert ask(client, storms, filter={"name": None}).json()["eligible"]["value"] == 0


def test_each_question_of_a_batch_has_its_filter(client, storms):
    questions = [
        {"query_vector": KATRINA, "filter": {"name": name}} for name in ("WILMA", "KATRINA", "X")
    ]
    reply = client.post(f"{storms}/query/temporal-knn/batch", json={"queries": questions}).json()
    found = [[hit["metadata"]["name"] for hit in one["hits"]] for one in reply["results"]]
    assert found == [["WILMA"], ["KATRINA"], []]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": {"$gt": True}}, "filter.name.$gt"),
        ({"$or": [{"a": 1}, {"b": {"$like": "x"}}]}, "filter.$or[1].b.$like"),
        ({"a": {"$in": [1, [2]]}}, "filter.a.$in[1]"),
        ([], "filter"),
        ("{}", "filter"),
        (3, "filter"),
    ],
)
def test_a_fault_is_told_with_its_path(client, storms, given, field):
    reply = ask(client, storms, filter=given)
    assert reply.status_code == 400
    assert [detail["field"] for detail in reply.json()["details"]] == [field]
    reply = client.post(
        f"{storms}/query/temporal-knn/batch",
        json={"queries": [{"query_vector": KATRINA}, {"query_vector": KATRINA, "filter": given}]},
    )
    [detail] = reply.json()["details"]
    assert (detail["field"], detail["row"]) == (f"queries[1].{field}", 1)
    reply = client.post(f"{storms}/points/delete", json={"filter": given})
    assert reply.status_code == 400
    assert [detail["field"] for detail in reply.json()["details"]] == [field]


@pytest.mark.parametrize(
    "body",
    [
        '{"query_vector": [1,1,1,1], "filter": {"a": 1, "a": 2}}',
        '{"query_vector": [1,1,1,1], "filter": {"$or": [{"a": {"$gt": 1, "$gt": 2}}]}}',
        '{"query_vector": [1,1,1,1], "filter": {"a": NaN}}',
        '{"query_vector": [1,1,1,1], "filter": {"a": 1e999}}',
        '{"query_vector": [1,1,1,1], "filter": {"a": 99999999999999999999999}}',
        '{"query_vector": [1,1,1,1], "filter": {"a": "\\ud800"}}',
        '{"query_vector": [1,1,1,1], "filter": ' + '{"$not":' * 300 + "{}" + "}" * 301,
    ],
)
def test_json_that_says_two_things_or_none_is_refused(client, storms, body):
    headers = {"content-type": "application/json"}
    reply = client.post(f"{storms}/query/temporal-knn", content=body, headers=headers)
    assert reply.status_code == 400, reply.text


def test_the_event_loop_never_evaluates_a_filter(client, storms, monkeypatch):
    threads, run = [], PredicateRunner.run

    def noting(runner, predicate, documents):
        threads.append(threading.current_thread().name)
        return run(runner, predicate, documents)

    monkeypatch.setattr(PredicateRunner, "run", noting)
    for _ in range(3):
        assert names(ask(client, storms, filter={"name": {"$lte": "WILMA"}}, k=1)) == ["KATRINA"]
    assert len(threads) == 1, "what is remembered is not evaluated again"
    assert threads[0].startswith("tsvec-query")


def test_delete_by_filter(client, storms):
    selector = {"filter": {"name": "WILMA"}}
    preview = client.post(f"{storms}/points/delete", json=selector | {"dry_run": True}).json()
    assert preview["deleted"] == 1
    assert client.post(f"{storms}/points/delete", json=selector).json()["deleted"] == 1
    assert names(ask(client, storms)) == ["KATRINA"]

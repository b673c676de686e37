"""Decay, radius, diff, walk and spaces over HTTP. That the answers are right is tested below."""

from __future__ import annotations

import pytest

from tsvec.model.limits import LIMITS

KATRINA = [26.3, -88.6, 150, 902]
HALVES = {
    "before": {"end_time": "2005-10-01T00:00:00Z"},
    "after": {"start_time": "2005-10-01T00:00:00Z"},
}
ASKED = {
    "temporal-knn": {},
    "temporal-knn/walk": {"as_of_each": [2]},
    "temporal-range": {"radius": 30},
    "temporal-diff": HALVES,
}


def ask(client, path, verb, **question):
    return client.post(f"{path}/query/{verb}", json=question)


def test_decay_ranks_by_score(client, storms):
    decay = {"half_life": "7d", "decay_at": "2005-10-19T12:00:00Z"}
    hits = ask(client, storms, "temporal-knn", query_vector=KATRINA, time_decay=decay).json()[
        "hits"
    ]
    assert [hit["entity_id"] for hit in hits] == ["AL252005", "AL122005"]
    assert hits[0]["score"] == hits[0]["similarity"]
    plain = ask(client, storms, "temporal-knn", query_vector=KATRINA).json()["hits"]
    assert [hit["entity_id"] for hit in plain] == ["AL122005", "AL252005"]
    assert all("score" not in hit for hit in plain)


def test_explain_tells_what_was_too_old_and_where_the_time_went(client, storms):
    decay = {"half_life": "1s", "decay_at": "2005-10-19T12:00:00Z"}
    reply = ask(
        client, storms, "temporal-knn", query_vector=KATRINA, time_decay=decay, explain=True
    ).json()
    explain = reply["explain"]
    assert explain["rows_scanned"] + explain["rows_decayed"] == 2
    assert explain["microseconds"] == sum(
        explain[name] for name in ("planning_us", "scanning_us", "reading_us")
    )


def test_a_walk_answers_as_single_questions_do(client, storms):
    reply = ask(client, storms, "temporal-knn/walk", query_vector=KATRINA, as_of_each=[0, 1, 2])
    single = [
        ask(client, storms, "temporal-knn", query_vector=KATRINA, as_of=seq).json()
        for seq in (0, 1, 2)
    ]
    assert reply.json() == {"results": single, "as_of_seq": 2}


def test_a_range_counts_what_it_leaves_out(client, storms):
    reply = ask(client, storms, "temporal-range", query_vector=KATRINA, radius=30, limit=1).json()
    assert (reply["returned"], reply["truncated"]) == (1, True)
    assert reply["matched"] == {"value": 2, "relation": "eq"}
    assert "explain" not in reply


def test_a_diff_by_entity_leaves_it_out(client, storms):
    reply = ask(client, storms, "temporal-diff", entity_id="AL122005", **HALVES, explain=True)
    body = reply.json()
    assert [one["hit"]["entity_id"] for one in body["entered"]] == ["AL252005"]
    assert (body["left"], body["moved"], body["stayed"]) == ([], [], 0)
    assert body["explain"].keys() == {"before", "after"}


WRONG = [
    ("temporal-knn", {"time_decay": None}, "time_decay"),
    ("temporal-knn", {"time_decay": {}}, "time_decay.half_life"),
    ("temporal-knn", {"time_decay": "7d"}, "time_decay"),
    ("temporal-knn", {"time_decay": {"half_life": 7}}, "time_decay.half_life"),
    ("temporal-knn", {"time_decay": {"half_life": "0d"}}, "time_decay.half_life"),
    ("temporal-knn", {"time_decay": {"half_life": "7d", "decay_at": "x"}}, "time_decay.decay_at"),
    ("temporal-knn", {"time_decay": {"half_life": "7d", "decay_at": 5}}, "time_decay.decay_at"),
    ("temporal-knn", {"time_decay": {"half_life": "7d", "rate": 5}}, "time_decay.rate"),
    ("temporal-knn", {"space": ""}, "space"),
    ("temporal-knn", {"space": 5}, "space"),
    ("temporal-knn", {"space": "x" * (LIMITS.space_bytes_max + 1)}, "space"),
    ("temporal-knn/walk", {}, "as_of_each"),
    ("temporal-knn/walk", {"as_of_each": []}, "as_of_each"),
    ("temporal-knn/walk", {"as_of_each": 1}, "as_of_each"),
    ("temporal-knn/walk", {"as_of_each": ["1"]}, "as_of_each[0]"),
    ("temporal-knn/walk", {"as_of_each": [1, 99]}, "as_of_each[1]"),
    ("temporal-knn/walk", {"as_of_each": [1], "as_of": 1}, "as_of"),
    ("temporal-knn/walk", {"as_of_each": [1] * 11, "k": LIMITS.k_max}, "body"),
    ("temporal-range", {}, "radius"),
    ("temporal-range", {"radius": None}, "radius"),
    ("temporal-range", {"radius": "1"}, "radius"),
    ("temporal-range", {"radius": True}, "radius"),
    ("temporal-range", {"radius": -1}, "radius"),
    ("temporal-range", {"radius": 1, "limit": 0}, "limit"),
    ("temporal-range", {"radius": 1, "limit": LIMITS.k_max + 1}, "limit"),
    ("temporal-range", {"radius": 1, "k": 3}, "k"),
    ("temporal-range", {"radius": 1, "as_of": 99}, "as_of"),
    ("temporal-diff", {"before": {}}, "after"),
    ("temporal-diff", HALVES | {"before": None}, "before"),
    ("temporal-diff", HALVES | {"before": {"from": 1}}, "before.from"),
    ("temporal-diff", HALVES | {"after": {"start_time": 1}}, "after.start_time"),
    ("temporal-diff", HALVES | {"k": 0}, "k"),
    ("temporal-diff", HALVES | {"distinct": "entity"}, "distinct"),
    (
        "temporal-diff",
        HALVES
        | {"after": {"start_time": "2006-01-01T00:00:00Z", "end_time": "2005-01-01T00:00:00Z"}},
        "after",
    ),
]


@pytest.mark.parametrize(("verb", "question", "field"), WRONG)
def test_a_question_that_is_wrong(client, storms, refused, verb, question, field):
    reply = ask(client, storms, verb, query_vector=KATRINA, **question)
    body = refused(reply, 400, "invalid_request")
    assert field in [detail["field"] for detail in body["details"]]


@pytest.mark.parametrize("verb", ASKED)
@pytest.mark.parametrize(
    ("subject", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"query_vector": [1, 2, 3]}, 400, "invalid_request"),
        ({"query_vector": KATRINA, "entity_id": "AL122005"}, 400, "invalid_request"),
        ({"entity_id": "AL992005"}, 404, "entity_not_found"),
        ({"entity_id": "AL122005", "at": "2004-01-01T00:00:00Z"}, 422, "insufficient_history"),
        ({"query_vector": KATRINA, "space": "model-2"}, 409, "conflict"),
    ],
)
def test_a_subject_that_cannot_be(client, storms, refused, verb, subject, status, code):
    refused(ask(client, storms, verb, **ASKED[verb], **subject), status, code)


@pytest.mark.parametrize("verb", ASKED)
def test_a_change_that_does_not_come_is_not_waited_for(app, client, storms, refused, verb):
    app.state.services.wait_seconds_max = 0.01
    question = ASKED[verb] | {"query_vector": KATRINA, "wait_for_seq": 99}
    refused(ask(client, storms, verb, **question), 503, "unavailable")


def test_dot_products_do_not_decay(client, refused):
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": "dot"})
    question = {"query_vector": [1, 0], "time_decay": {"half_life": "1h"}}
    body = refused(
        ask(client, "/v1/collections/c", "temporal-knn", **question), 400, "invalid_request"
    )
    assert body["details"][0]["field"] == "time_decay"
    path = "/v1/collections/c/query/temporal-knn/batch"
    body = refused(client.post(path, json={"queries": [question]}), 400, "invalid_request")
    assert body["details"][0]["field"] == "queries[0].time_decay"


@pytest.mark.parametrize(("metric", "radius"), [("cosine", 2.1), ("cosine", -1), ("l2", -1)])
def test_a_radius_that_is_no_distance(client, refused, metric, radius):
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": metric})
    question = {"query_vector": [1, 0], "radius": radius}
    reply = ask(client, "/v1/collections/c", "temporal-range", **question)
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "radius"


def test_points_of_another_space_are_refused(client, storms, refused):
    point = {"entity_id": "a", "vector": KATRINA}
    path = f"{storms}/points"
    body = refused(client.post(path, json={"points": [point], "space": "m-1"}), 409, "conflict")
    assert "no space" in body["message"]
    patched = client.patch(storms, json={"space": "m-1"})
    assert (patched.status_code, patched.json()["space"]) == (200, "m-1")
    refused(client.patch(storms, json={"space": "m-2"}), 409, "conflict")
    refused(client.patch(storms, json={"space": None}), 400, "invalid_request")
    body = refused(client.post(path, json={"points": [point], "space": "m-2"}), 409, "conflict")
    assert "'m-1', not 'm-2'" in body["message"]
    assert body["details"][0]["field"] == "space"
    assert client.post(path, json={"points": [point], "space": "m-1"}).status_code == 200
    assert client.post(f"{path}?space=m-2", json={"points": [point], "space": "m-1"}).is_success
    refused(client.post(f"{path}?space=m-2", json={"points": [point]}), 409, "conflict")
    ndjson = {"content": '{"entity_id": "b", "vector": [1, 2, 3, 4]}'}
    kind = {"headers": {"content-type": "application/x-ndjson"}}
    refused(client.post(f"{path}?space=m-2", **ndjson, **kind), 409, "conflict")
    assert client.post(f"{path}?space=m-1", **ndjson, **kind).status_code == 200
    refused(client.post(f"{path}?space=", **ndjson, **kind), 400, "invalid_request")


def test_the_space_of_bad_rows_is_asked_about_first(client, storms, refused):
    bad = {"entity_id": "a", "vector": [1]}
    body = {"points": [bad, {"entity_id": "a", "vector": KATRINA}], "on_error": "skip_row"}
    refused(client.post(f"{storms}/points", json=body | {"space": "m-1"}), 409, "conflict")
    client.patch(storms, json={"space": "m-1"})
    reply = client.post(f"{storms}/points", json=body | {"space": "m-1"})
    assert (reply.json()["ingested"], reply.json()["rejected"]) == (1, 1)

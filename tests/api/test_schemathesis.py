"""Requests made up from the description: every operation, every check, nothing left out.

A schema cannot say all that makes a request right: that a range must not end before it begins, that
a question has one subject, that a vector is as long as the collection's, that an integer has no
fraction, not even .0. Where the tool expects a request to be accepted, `made_right` sees to those
rules; what it expects to be refused stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pytest
import schemathesis
import yaml
from hypothesis import settings

from tsvec.engine.database import Database
from tsvec.model.errors import ConflictError
from tsvec.server.app import create_app

SPEC = yaml.safe_load((Path(__file__).parents[2] / "openapi" / "tsvec.yaml").read_text())
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
COLLECTION = "storms"
DIM = 4
TEXT_CHARACTERS_MAX = 16
WAIT_SECONDS = 0.01
POINTS = SPEC["paths"]["/v1/collections/{collection}/points"]["post"]["requestBody"]["content"][
    "application/json"
]["example"]["points"]
DURATIONS = {"window_size", "allowed_lateness", "retention", "history_horizon"}

schema = schemathesis.openapi.from_dict(SPEC)


@schemathesis.serializer(NDJSON)
def as_text(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


@schemathesis.serializer(ARROW)
def as_bytes(_context: Any, value: Any) -> bytes:
    return str(value).encode("latin-1", "replace")


@schema.hook
def map_case(_context: Any, case: Any) -> Any:
    for question in questions_of(case):
        if isinstance(question.get("wait_for_seq"), int):
            question["wait_for_seq"] = 0  # what never comes is answered 503, rightly
    return made_right(case) if case.meta.generation.mode.is_positive else case


def questions_of(case: Any) -> Iterator[dict[str, Any]]:
    """Whatever in a request may ask to wait."""
    body = case.body if isinstance(case.body, dict) else {}
    queries = body.get("queries")
    for question in (case.query, body, *(queries if isinstance(queries, list) else ())):
        if isinstance(question, dict):
            yield question


def made_right(case: Any) -> Any:
    query = case.query or {}
    query.pop("cursor", None)  # opaque: only one that was given out is right
    order_times(query)
    read_now(query)
    for field in {"entity_ids", "entity_types"} & query.keys():
        query[field] = list(map(short, query[field]))
    for field in {"key", "prefix"} & query.keys():
        query[field] = short(query[field])
    if query.get("every"):
        query["every"] = query["every"][0] + query["every"][-1]
    if case.path_parameters and "timestamp" in case.path_parameters:
        case.path_parameters["timestamp"] = POINTS[0]["timestamp"]
    if case.path_parameters and "entity_id" in case.path_parameters:
        entity_id = short(unquote(case.path_parameters["entity_id"]))
        case.path_parameters["entity_id"] = quote(entity_id, safe="")
    name = case.operation.definition.raw["operationId"]
    if case.path_parameters and name != "delete_collection":
        case.path_parameters["collection"] = COLLECTION
    case.body = made_storable(case.body)
    filter_sensibly(case)
    query.pop("space", None)
    case.body = body_made_right(case, name)
    return case


def body_made_right(case: Any, name: str) -> Any:
    body = case.body
    if name == "ingest":
        return points_made_right(case)
    if name in {"temporal_knn", "temporal_knn_walk", "temporal_range", "temporal_diff"}:
        return question_made_right(body)
    if name in {"delete_points", "restore_points"}:
        return selector_made_right(body)
    if name == "temporal_knn_batch":
        body["queries"] = [question_made_right(each) for each in body["queries"]]
    elif name in {"create_collection", "update_collection"}:
        if body.get("space"):
            body["space"] = short(body["space"])
        for field in DURATIONS & body.keys():
            if body[field]:
                body[field] = body[field][0] + body[field][-1]
    return body


def filter_sensibly(case: Any) -> None:
    """A schema cannot say which objects are filters."""
    for question in questions_of(case):
        if isinstance(question.get("filter"), dict):
            question["filter"] = {"name": {"$ne": "KATRINA"}}
        elif question.get("filter") is not None:
            question["filter"] = '{"name": {"$ne": "KATRINA"}}'


def order_times(fields: dict[str, Any]) -> None:
    if fields.get("start_time") and fields.get("end_time"):
        fields["start_time"], fields["end_time"] = "2005-01-01T00:00:00Z", "2006-01-01T00:00:00Z"


def read_now(fields: dict[str, Any]) -> None:
    """Only a change that is there can be read or waited for."""
    for name in ("as_of", "wait_for_seq"):
        if fields.get(name) is not None:
            del fields[name]


def selector_made_right(selector: dict[str, Any]) -> dict[str, Any]:
    """One kind of selector alone, its texts short and its seqs whole and in order."""
    order_times(selector)
    for name in ("first_seq", "last_seq"):
        if selector.get(name) is not None:
            selector[name] = 1
    if selector.get("points"):
        selector = {name: selector[name] for name in selector if name in {"points", "dry_run"}}
        for point in selector["points"]:
            for name in ("entity_id", "key"):
                if point.get(name):
                    point[name] = short(point[name])
        return selector
    ids = selector.get("entity_ids") or ["a"]
    return selector | {"entity_ids": list(map(short, ids))}


def made_storable(value: Any, name: str = "") -> Any:
    """The same with 5.0 as 5 where an integer is meant, and no integer beyond 64 bits."""
    match value:
        case dict():
            return {key: made_storable(item, key) for key, item in value.items()}
        case list():
            return [made_storable(item) for item in value]
        case float() if name in {"dim", "k", "limit"}:
            return int(value)
        case int() if not -(2**63) <= value < 2**64:
            return 0
    return value


def short(text: str) -> str:
    return text[:TEXT_CHARACTERS_MAX]


def vector_made_right(vector: list[float]) -> list[float]:
    return [float(np.clip(number, -1e38, 1e38)) for number in (vector * DIM)[:DIM]]


def question_made_right(question: dict[str, Any]) -> dict[str, Any]:
    order_times(question)
    read_now(question)
    if question.get("query_vector"):
        question["query_vector"] = vector_made_right(question["query_vector"])
        question.pop("entity_id", None)
        question.pop("at", None)
    elif question.get("entity_id") is None:
        question["query_vector"] = [1.0] * DIM
        question.pop("at", None)
    for name in ("entity_ids", "entity_types"):
        if question.get(name):
            question[name] = list(map(short, question[name]))
    if question.get("entity_id"):
        question["entity_id"] = short(question["entity_id"])
    if decay := question.get("time_decay"):
        decay["half_life"] = decay["half_life"][0] + decay["half_life"][-1]
    if "radius" in question:
        question["radius"] = min(abs(question["radius"]), 1e300)
    if "as_of_each" in question:
        question["as_of_each"] = [0] * min(len(question["as_of_each"]), 5)
    for side in ("before", "after"):
        order_times(question.get(side, {}))
    question.pop("space", None)  # another one than the collection's is a conflict
    return question


def points_made_right(case: Any) -> Any:
    if case.media_type == "application/json":
        for point in case.body["points"]:
            point["vector"] = vector_made_right(point["vector"])
            for name in ("entity_id", "entity_type", "key"):
                if point.get(name):
                    point[name] = short(point[name])
            point.pop("entity_type", None)  # another type than before is a conflict
        case.body.pop("space", None)
        return case.body
    if case.media_type == NDJSON:
        return json.dumps({"entity_id": "a", "vector": [1.0] * DIM})
    vectors = pa.array([[1.0] * DIM], pa.list_(pa.float32(), DIM))
    table = pa.table({"entity_id": ["a"], "vector": vectors})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes().decode("latin-1")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with Database(tmp_path_factory.mktemp("api") / "data") as database:
        yield database


@pytest.fixture(scope="module")
def app(database):
    app = create_app(database)
    app.state.services.wait_seconds_max = WAIT_SECONDS
    return app


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
def test_every_operation(case, app, database):
    with suppress(ConflictError):  # it is there unless it was deleted
        collection = database.create_collection(COLLECTION, dim=DIM, metric="l2")
        collection.ingest(POINTS)  # the changes that the examples wait for
    case.call_and_validate(app=app)

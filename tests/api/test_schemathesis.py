"""Requests made up from the description: every operation, every check, nothing left out.

A schema cannot say all that makes a request right: that a range must not end before it begins, that
a question has one subject, that a vector is as long as the collection's, that an integer has no
fraction, not even .0. Where the tool expects a request to be accepted, `made_right` sees to those
rules; what it expects to be refused stays as it is.
"""

from __future__ import annotations

import json
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

schema = schemathesis.openapi.from_dict(SPEC)


@schemathesis.serializer(NDJSON)
def as_text(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


@schemathesis.serializer(ARROW)
def as_bytes(_context: Any, value: Any) -> bytes:
    return str(value).encode("latin-1", "replace")


@schema.hook
def map_case(_context: Any, case: Any) -> Any:
    return made_right(case) if case.meta.generation.mode.is_positive else case


def made_right(case: Any) -> Any:
    query = case.query or {}
    query.pop("cursor", None)  # opaque: only one that was given out is right
    order_times(query)
    if case.path_parameters and "entity_id" in case.path_parameters:
        entity_id = short(unquote(case.path_parameters["entity_id"]))
        case.path_parameters["entity_id"] = quote(entity_id, safe="")
    name = case.operation.definition.raw["operationId"]
    if case.path_parameters and name != "delete_collection":
        case.path_parameters["collection"] = COLLECTION
    whole_numbers(case.body)
    if name == "ingest":
        case.body = points_made_right(case)
    elif name == "temporal_knn":
        case.body = question_made_right(case.body)
    elif name == "temporal_knn_batch":
        case.body["queries"] = [question_made_right(each) for each in case.body["queries"]]
    elif name in {"create_collection", "update_collection"} and "window_size" in case.body:
        case.body["window_size"] = case.body["window_size"][0] + case.body["window_size"][-1]
    return case


def order_times(fields: dict[str, Any]) -> None:
    if fields.get("start_time") and fields.get("end_time"):
        fields["start_time"], fields["end_time"] = "2005-01-01T00:00:00Z", "2006-01-01T00:00:00Z"


def whole_numbers(value: Any) -> None:
    """Write 5.0 as 5 where an integer is meant, in place."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in {"dim", "k"}:
                value[name] = int(item)
            whole_numbers(item)
    elif isinstance(value, list):
        for item in value:
            whole_numbers(item)


def short(text: str) -> str:
    return text[:TEXT_CHARACTERS_MAX]


def vector_made_right(vector: list[float]) -> list[float]:
    return [float(np.clip(number, -1e38, 1e38)) for number in (vector * DIM)[:DIM]]


def question_made_right(question: dict[str, Any]) -> dict[str, Any]:
    order_times(question)
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
    return question


def points_made_right(case: Any) -> Any:
    if case.media_type == "application/json":
        for point in case.body["points"]:
            point["vector"] = vector_made_right(point["vector"])
            for name in ("entity_id", "entity_type", "key"):
                if point.get(name):
                    point[name] = short(point[name])
            point.pop("entity_type", None)  # another type than before is a conflict
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
    return create_app(database)


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
def test_every_operation(case, app, database):
    with suppress(ConflictError):  # it is there unless it was deleted
        database.create_collection(COLLECTION, dim=DIM, metric="l2")
    case.call_and_validate(app=app)

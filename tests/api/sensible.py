"""What a schema cannot say of a request, added to requests that were made up from it.

That a range must not end before it begins, that a question has one subject, that a vector is as
long as the collection's, that an integer has no fraction, not even .0. Where the tool expects a
request to be accepted, `make_sensible` sees to those rules; what it expects to be refused stays as
it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import schemathesis
import yaml
from schemathesis import checks
from schemathesis.core.transport import Response

SPEC = yaml.safe_load((Path(__file__).parents[2] / "openapi" / "tsvec.yaml").read_text())
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
COLLECTION = "storms"
DIM = 4
TEXT_CHARACTERS_MAX = 16
POINTS = SPEC["paths"]["/v1/collections/{collection}/points"]["post"]["requestBody"]["content"][
    "application/json"
]["example"]["points"]
RANGE = ("2005-01-01T00:00:00Z", "2006-01-01T00:00:00Z")
EDGES_OF_TIME = ("0001-01-01", "9999-12-31")
DURATIONS = {"window_size", "allowed_lateness", "history_horizon"}
_NUMBERS = count()
_UNKNOWN_HEADER = "x-schemathesis-unknown-property"
_DEADLINE, _PATIENCE_MS = "X-Deadline-Ms", "30000"
QUESTIONS = {"temporal_knn", "temporal_knn_walk", "temporal_range", "temporal_diff"}


@schemathesis.serializer(NDJSON)
def as_text(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


@schemathesis.serializer(ARROW)
def as_bytes(_context: Any, value: Any) -> bytes:
    return str(value).encode("latin-1", "replace")


def excused(case: Any, reply: Response) -> list[Any]:
    """Checks that are wrong about a reply: what depends on rows or on what is stored.

    With on_error=skip_row a request is accepted whatever its rows are, and the reply says which
    were refused. A list in a query string that is left empty is an empty list, not one of an empty
    name. Headers that nobody knows are ignored, as HTTP says. An entity without a point there
    cannot be compared with, and a point older than the retention cannot be stored, however right
    the request is.
    """
    body = reply.json() if "json" in reply.headers.get("content-type", [""])[0] else {}
    if reply.status_code == 200 and body.get("rejected"):
        assert body["rejected"] == len(body["errors"])
        return [checks.CHECKS.get_one("negative_data_rejection")]
    if any(in_query in ("", [""]) for in_query in (case.query or {}).values()):
        return [checks.CHECKS.get_one("negative_data_rejection")]
    if _UNKNOWN_HEADER in (case.headers or {}):
        return [checks.CHECKS.get_one("negative_data_rejection")]
    if reply.status_code == 422 and body["code"] == "insufficient_history":
        assert "entity_id" in json.dumps(case.body)
        return [checks.CHECKS.get_one("positive_data_acceptance")]
    if reply.status_code == 422 and "beyond the retention" in body["message"]:
        assert case.operation.definition.raw["operationId"] == "ingest"
        return [checks.CHECKS.get_one("positive_data_acceptance")]
    return []


def never_wait(case: Any) -> None:
    """What never comes, or has no time, is answered 503, rightly."""
    given = str((case.headers or {}).get(_DEADLINE, ""))
    if given.isdecimal() and 0 < int(given) < 10**9:
        case.headers[_DEADLINE] = _PATIENCE_MS
    for question in questions_of(case):
        if isinstance(question.get("wait_for_seq"), int):
            question["wait_for_seq"] = 0


def send_anew(case: Any) -> None:
    """As a request of its own: a key that came with another one is refused, rightly."""
    for name in [name for name in case.headers or {} if name.lower() == "idempotency-key"]:
        case.headers[name] = f"key-{next(_NUMBERS)}"


def questions_of(case: Any) -> Iterator[dict[str, Any]]:
    """Whatever in a request may ask to wait."""
    body = case.body if isinstance(case.body, dict) else {}
    queries = body.get("queries")
    for question in (case.query, body, *(queries if isinstance(queries, list) else ())):
        if isinstance(question, dict):
            yield question


def make_sensible(case: Any, linked: Collection[str] = ()) -> Any:
    """Give a request what its schema cannot say; `linked` came from the reply to another one."""
    send_anew(case)
    name = case.operation.definition.raw["operationId"]
    case.query = query = made_storable(case.query or {})
    for unlinked in {"cursor", "as_of", "wait_for_seq"} - {*linked}:
        query.pop(unlinked, None)  # only what was given out, or has happened, is right
    order_times(query)
    for field in {"entity_ids", "entity_types"} & query.keys():
        query[field] = list(map(short, query[field]))
    for field in {"key", "prefix"} & query.keys():
        query[field] = short(query[field])
    if query.get("every"):
        query["every"] = brief(query["every"])
    query.pop("space", None)  # another one than the collection's is a conflict
    path = case.path_parameters or {}
    if "timestamp" in path and "timestamp" not in linked:
        path["timestamp"] = POINTS[0]["timestamp"]
    if "entity_id" in path and "entity_id" not in linked:
        path["entity_id"] = quote(short(unquote(path["entity_id"])), safe="")
    case.body = made_storable(case.body)
    filter_sensibly(case)
    case.body = body_made_right(case, name, linked)
    return case


def body_made_right(case: Any, name: str, linked: Collection[str]) -> Any:
    body = case.body
    if name == "ingest":
        return points_made_right(case)
    if name in QUESTIONS:
        return question_made_right(body, linked)
    if name in {"delete_points", "restore_points"}:
        return selector_made_right(body, linked)
    if name == "temporal_knn_batch":
        body["queries"] = [question_made_right(each, linked) for each in body["queries"]]
    elif name == "create_key" and body.get("expires_at"):
        body["expires_at"] = "2099-01-01T00:00:00Z"  # what has passed is no expiry
    elif name in {"create_collection", "update_collection"}:
        if body.get("space"):
            body["space"] = short(body["space"])
        for field in DURATIONS & body.keys():
            if body[field]:
                body[field] = brief(body[field])
        if body.get("retention"):
            body["retention"] = "36525d"  # what the examples store must not be too old
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
        fields["start_time"], fields["end_time"] = RANGE


def selector_made_right(selector: dict[str, Any], linked: Collection[str]) -> dict[str, Any]:
    """One kind of selector alone, its texts short and its seqs whole and in order."""
    order_times(selector)
    if not {"first_seq", "last_seq"} <= {*linked}:
        for name in ("first_seq", "last_seq"):
            if selector.get(name) is not None:
                selector[name] = 1
    elif selector["first_seq"] > selector["last_seq"]:  # what is undone deleted nothing
        selector["first_seq"] = selector["last_seq"]
    if selector.get("points"):
        selector = {name: selector[name] for name in selector if name in {"points", "dry_run"}}
        for point in selector["points"]:
            for name in ("entity_id", "key"):
                if point.get(name):
                    point[name] = short(point[name])
        return selector
    ids = selector.get("entity_ids") or ["a"]
    selector.pop("points", None)
    return selector | {"entity_ids": list(map(short, ids))}


def made_storable(value: Any, name: str = "") -> Any:
    """The same with 5.0 as 5 where an integer is meant, no integer beyond 64 bits, and no time that
    its offset takes out of the years 1 to 9999.
    """
    match value:
        case dict():
            return {key: made_storable(item, key) for key, item in value.items()}
        case list():
            return [made_storable(item) for item in value]
        case float() if name in {"dim", "k", "limit"}:
            return int(value)
        case int() if not -(2**63) <= value < 2**64:
            return 0
        case str() if value.startswith(EDGES_OF_TIME):
            return RANGE[0]
    return value


def short(text: str) -> str:
    return text[:TEXT_CHARACTERS_MAX]


def brief(duration: str) -> str:
    """Of a few units, so that it is not too long."""
    return duration[0] + duration[-1]


def vector_made_right(vector: list[float]) -> list[float]:
    return [float(np.clip(number, -1e38, 1e38)) for number in (vector * DIM)[:DIM]]


def question_made_right(question: dict[str, Any], linked: Collection[str]) -> dict[str, Any]:
    order_times(question)
    for name in {"as_of", "wait_for_seq"} - {*linked}:
        question.pop(name, None)
    if question.get("query_vector") and "entity_id" not in linked:
        question["query_vector"] = vector_made_right(question["query_vector"])
        question.pop("entity_id", None)
        question.pop("at", None)
    elif question.get("entity_id") is None:
        question["query_vector"] = [1.0] * DIM
        question.pop("at", None)
    else:
        question.pop("query_vector", None)
    for name in ("entity_ids", "entity_types"):
        if question.get(name):
            question[name] = list(map(short, question[name]))
    if question.get("entity_id"):
        question["entity_id"] = short(question["entity_id"])
    if decay := question.get("time_decay"):
        decay["half_life"] = brief(decay["half_life"])
    if "radius" in question:
        question["radius"] = min(abs(question["radius"]), 1e300)
    if "as_of_each" in linked:
        question["as_of_each"] = question["as_of_each"][:2]  # what follows was made up
    elif "as_of_each" in question:
        question["as_of_each"] = [0] * min(len(question["as_of_each"]), 5)
    for side in ("before", "after"):
        order_times(question.get(side, {}))
    question.pop("space", None)  # another one than the collection's is a conflict
    return question


def points_made_right(case: Any) -> Any:
    if case.media_type == "application/json":
        for point in case.body["points"]:
            point["vector"] = vector_made_right(point["vector"])
            for name in ("entity_id", "key"):
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

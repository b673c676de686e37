"""Points that cannot be stored: each is a 400 naming row and field, and nothing is stored."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from tsvec.model.limits import LIMITS
from tsvec.model.validation import DETAILS_MAX

GOOD = {"entity_id": "e", "vector": [1.0, 2.0, 3.0, 4.0]}
JSON, NDJSON = "application/json", "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
PLACES = pytest.mark.parametrize(("rows", "at"), [(1, 0), (200, 199)], ids=["alone", "row 199"])

VECTORS = [
    ("[1,2,3,NaN]", "vector[3]"),
    ("[1,-Infinity,3,4]", "vector[1]"),
    ("[1,2,Infinity,4]", "vector[2]"),
    ("[1,2,3,1e39]", "vector[3]"),
    ("[1,2,3,-3.5e38]", "vector[3]"),
    ("[1,2,3,1e999]", "vector[3]"),
    ("[1,2,3,null]", "vector[3]"),
    ("[1,2,3]", "vector"),
    ("[1,2,3,4,5]", "vector"),
    ("[]", "vector"),
    ("[1,2,3,true]", "vector[3]"),
    ('[1,2,3,"1"]', "vector[3]"),
    ("[1,2,3,[4]]", "vector[3]"),
    ("[[1,2,3,4]]", "vector[0]"),
    ("null", "vector"),
    ("7", "vector"),
    ('"AAAA"', "vector"),
    ("{}", "vector"),
    ("[" + "0," * LIMITS.dim_max + "0]", "vector"),
]
FIELDS = [
    ('{"entity_id": "e"}', "vector"),
    ('{"vector": [1,2,3,4]}', "entity_id"),
    ('{"entity_id": "", "vector": [1,2,3,4]}', "entity_id"),
    ('{"entity_id": 7, "vector": [1,2,3,4]}', "entity_id"),
    ('{"entity_id": null, "vector": [1,2,3,4]}', "entity_id"),
    ('{"entity_id": "a\\u0000b", "vector": [1,2,3,4]}', "entity_id"),
    (json.dumps(GOOD | {"entity_id": "x" * 257}), "entity_id"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "entity_type": ""}', "entity_type"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "key": 5}', "key"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "colour": "red"}', "colour"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "metadata": []}', "metadata"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "metadata": {"a": NaN}}', "metadata"),
    ('{"entity_id": "e", "vector": [1,2,3,4], "metadata": {"a": [1e999]}}', "metadata"),
    (
        '{"entity_id": "e", "vector": [1,2,3,4], "metadata": {"a": 18446744073709551616}}',
        "metadata",
    ),
    (json.dumps(GOOD)[:-1] + ', "metadata": ' + '{"a":' * 33 + "1" + "}" * 34, "metadata"),
    (json.dumps(GOOD | {"metadata": {"a": "x" * LIMITS.metadata_bytes_max}}), "metadata"),
]
TIMES = [
    "2020-01-01T00:00:00",
    "2020-01-01",
    "yesterday",
    "2020-02-30T00:00:00Z",
    "2020-01-01T24:00:01Z",
    "2020-01-01T00:00:61Z",
    "2020-01-01T00:00:00.1234567Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2020-01-01T00:00:00+25:00",
    "",
]
ROWS = [(f'{{"entity_id": "e", "vector": {vector}}}', field) for vector, field in VECTORS]
ROWS += FIELDS
ROWS += [
    (json.dumps(GOOD | {"timestamp": time}), "timestamp") for time in [*TIMES, 1577836800, True]
]


@pytest.fixture(scope="module")
def client(module_client):
    return module_client


@pytest.fixture(scope="module")
def path(client) -> str:
    client.post("/v1/collections", json={"name": "c", "dim": 4, "metric": "cosine"})
    return "/v1/collections/c"


def send(client, path, body, media_type=JSON):
    return client.post(f"{path}/points", content=body, headers={"content-type": media_type})


@PLACES
@pytest.mark.parametrize("media_type", [JSON, NDJSON])
@pytest.mark.parametrize(("row", "field"), ROWS, ids=lambda value: value[:60])
def test_a_row_that_is_wrong(client, path, refused, points_of, row, field, media_type, rows, at):
    texts = [json.dumps(GOOD)] * (rows - 1)
    texts.insert(at, row)
    body = f'{{"points": [{",".join(texts)}]}}' if media_type == JSON else "\n".join(texts)
    answer = refused(send(client, path, body, media_type), 400, "invalid_request")
    found = {(detail["field"], detail["row"]) for detail in answer["details"]}
    assert found == {(f"points[{at}].{field}", at)}
    assert answer["message"].startswith(f"points[{at}].{field}: ")
    assert points_of(client, path) == 0


@PLACES
def test_a_zero_vector_under_cosine(client, path, refused, points_of, rows, at):
    points = [GOOD] * (rows - 1)
    points.insert(at, GOOD | {"vector": [0, 0, 0, -0.0]})
    answer = refused(send(client, path, json.dumps({"points": points})), 400, "invalid_request")
    assert answer["details"][0]["field"] == f"points[{at}].vector"
    assert answer["details"][0]["row"] == at
    assert points_of(client, path) == 0


def arrow(**columns: object) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@PLACES
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e39, None])
@pytest.mark.parametrize("kind", [pa.float64(), pa.list_(pa.float64())], ids=["fixed", "variable"])
def test_an_element_of_arrow_that_is_wrong(client, path, refused, points_of, value, kind, rows, at):
    vectors = [GOOD["vector"]] * (rows - 1)
    vectors.insert(at, [1.0, 2.0, 3.0, value])
    lists = pa.list_(kind, 4) if kind == pa.float64() else kind
    body = arrow(entity_id=["e"] * rows, vector=pa.array(vectors, lists))
    answer = refused(send(client, path, body, ARROW), 400, "invalid_request")
    assert answer["details"][0]["field"] == f"points[{at}].vector[3]"
    assert answer["details"][0]["row"] == at
    assert points_of(client, path) == 0


def test_subnormals_and_the_largest_floats_are_numbers(client, points_of):
    path = "/v1/collections/default"
    big = float(np.finfo(np.float32).max)
    points = [{"entity_id": "e", "vector": [big, -big, 1e-45, 1e-300]}]
    assert send(client, path, json.dumps({"points": points})).status_code == 200
    assert points_of(client, path) == 1


def test_only_the_first_faults_are_listed_but_all_are_counted(client, path, refused):
    points = [GOOD, *[GOOD | {"vector": [1]}] * 50]
    answer = refused(send(client, path, json.dumps({"points": points})), 400, "invalid_request")
    assert len(answer["details"]) == DETAILS_MAX
    assert "50 faults" in answer["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "points"),
        ('{"points": []}', "points"),
        ('{"points": null}', "points"),
        ('{"points": {}}', "points"),
        ('{"points": [7]}', "points[0]"),
        ('{"points": [null]}', "points[0]"),
        ("[]", "body"),
        ("7", "body"),
        ('{"points": [{"entity_id": "e", "vector": [1,2,3,4]}], "on_error": "maybe"}', "on_error"),
        ('{"points": [{"entity_id": "e", "vector": [1,2,3,4]}], "color": "red"}', "color"),
        ('{"points": [{"entity_id": "e", "vector": [1]}], "on_error": "maybe"}', "on_error"),
    ],
)
def test_a_request_that_is_wrong(client, path, refused, points_of, body, field):
    answer = refused(send(client, path, body), 400, "invalid_request")
    assert answer["details"][0]["field"] == field
    assert points_of(client, path) == 0


def test_one_row_more_than_the_limit(client, path, refused, points_of):
    body = "\n".join(['{"entity_id":"e","vector":[1,2,3,4]}'] * (LIMITS.batch_rows_max + 1))
    refused(send(client, path, body, NDJSON), 413, "too_large")
    short = '{"points":[' + ",".join(["{}"] * (LIMITS.batch_rows_max + 1)) + "]}"
    refused(send(client, path, short), 413, "too_large")
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ones((LIMITS.batch_rows_max + 1) * 4, np.float32)), 4
    )
    rows = arrow(entity_id=["e"] * (LIMITS.batch_rows_max + 1), vector=lists)
    refused(send(client, path, rows, ARROW), 413, "too_large")
    assert points_of(client, path) == 0

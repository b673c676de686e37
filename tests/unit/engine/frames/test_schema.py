"""Every record of an answer has a place in a table, and the types are those that are promised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel

from tsvec.engine.frames.schema import column_of, schema_of
from tsvec.model.collections import CollectionInfo, WindowInfo
from tsvec.model.lists.replies import EntitySummary
from tsvec.model.replies import DeletedPoint, Hit, Point
from tsvec.model.vectors import Vector

TEXT = pa.large_string()
TIME = pa.timestamp("us", "UTC")
POINT = {
    "entity_id": TEXT,
    "entity_type": TEXT,
    "timestamp": TIME,
    "key": TEXT,
    "recorded_at": TIME,
    "seq": pa.int64(),
    "metadata": TEXT,
    "vector": pa.list_(pa.float32(), 3),
}


def types_of(schema):
    return dict(zip(schema.names, schema.types, strict=True))


def test_the_types_of_points():
    schema = schema_of(Point, 3)
    assert types_of(schema) == POINT
    assert [one.name for one in schema if one.nullable] == ["key", "metadata", "vector"]
    assert schema_of(Point, None).field("vector").type == pa.null()


def test_the_types_of_what_is_more_than_a_point():
    scores = dict.fromkeys(("distance", "similarity", "score"), pa.float64())
    assert types_of(schema_of(Hit, 3)) == POINT | scores
    deaths = {"deleted_at": TIME, "deleted_seq": pa.int64()}
    assert types_of(schema_of(DeletedPoint, 3)) == POINT | deaths
    assert types_of(schema_of(EntitySummary, None))["attributes"] == TEXT
    assert schema_of(WindowInfo, None).names == list(WindowInfo.model_fields)
    assert types_of(schema_of(CollectionInfo, None))["metric"] == TEXT


class Everything(BaseModel):
    text: str
    choice: Literal["a", "b"] | None
    flag: bool
    number: float | None = None
    document: dict[str, Any] | None
    vector: Vector | None
    time: datetime | None


ROWS = {
    "text": ["é", ""],
    "choice": ["a", None],
    "flag": [True, False],
    "number": [0.5, None],
    "document": [{"a": [1, {"b": "é"}]}, None],
    "vector": [np.array([1, 2], np.float32), None],
    "time": [datetime(1, 1, 1, tzinfo=UTC), None],
}


def test_values_become_columns():
    schema = schema_of(Everything, 2)
    columns = {field.name: column_of(field, ROWS[field.name]) for field in schema}
    table = pa.Table.from_arrays(list(columns.values()), schema=schema)
    table.validate(full=True)
    assert table.to_pydict() == ROWS | {
        "document": ['{"a":[1,{"b":"é"}]}', None],
        "vector": [[1.0, 2.0], None],
    }
    for field in schema:
        for values in ([], [None, None]):
            if field.nullable or not values:
                column = column_of(field, values)
                assert (column.type, column.to_pylist()) == (field.type, values)


def test_a_kind_without_a_column_is_a_fault_of_the_code():
    class Nested(BaseModel):
        one: Everything

    with pytest.raises(TypeError, match="Everything"):
        schema_of(Nested, 2)

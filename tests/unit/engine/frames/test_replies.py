"""Every reply that holds a list is a table of the same rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tsvec
from tests.unit.engine.rig import SECOND
from tsvec.engine.frames.replies import to_arrow
from tsvec.engine.frames.schema import schema_of
from tsvec.model.errors import InvalidRequestError
from tsvec.model.replies import Hit, Point

ROWS = [
    {
        "entity_id": name,
        "timestamp": second * SECOND,
        "vector": [float(place), float(second)],
        "metadata": {"n": place, "s": "é", "deep": {"a": [1, None]}},
        **({"key": "k"} if name == "b" else {}),
    }
    for second in range(4)
    for place, name in enumerate("abc")
]


@pytest.fixture
def collection(database):
    made = database.collection("c")
    made.ingest(ROWS)
    made.delete_points(entity_ids=["a"], start_time=3 * SECOND)
    made.entities.set_entity_attributes("b", {"fleet": "é"})
    return made


def said(table):
    return json.loads(table.schema.metadata[b"tsvec"])


def rows_of(records):
    """What a table of these records holds, field by field."""
    return [
        {
            name: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            if isinstance(value, dict)
            else value.tolist()
            if isinstance(value, np.ndarray)
            else value
            for name, value in record.__dict__.items()
        }
        for record in records
    ]


BOTH = ["metadata", "vector"]
ORIGIN = [0.0, 0.0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.list_points(limit=5, include=BOTH),
        lambda c: c.entities.get_history("b", include=BOTH),
        lambda c: c.list_deleted_points(),
        lambda c: c.list_windows(),
        lambda c: c.entities.list_entities(),
    ],
    ids=["points", "history", "deleted", "windows", "entities"],
)
def test_a_page_is_a_table(collection, ask):
    reply = ask(collection)
    table = to_arrow(reply)
    table.validate(full=True)
    assert reply.items
    assert table.to_pylist() == rows_of(reply.items)
    assert said(table) == {"next_cursor": reply.next_cursor, "as_of_seq": reply.as_of_seq}


def test_collections_are_a_table(database):
    table = tsvec.to_arrow(database.list_collections())
    assert table["name"].to_pylist() == ["c"]
    assert table["retention"].to_pylist() == [None]


@pytest.mark.parametrize("include", [[], ["metadata"], BOTH])
def test_hits_are_a_table(collection, include):
    decay = {"time_decay": {"half_life": "1s"}} if include else {}
    reply = collection.temporal_knn(ORIGIN, k=5, include=include, explain=True, **decay)
    table = to_arrow(reply, dim=2)
    table.validate(full=True)
    assert table.schema.equals(schema_of(Hit, 2))
    assert table.to_pylist() == rows_of(reply.hits)
    assert said(table)["eligible"] == {"value": 11, "relation": "eq"}
    assert said(table)["explain"]["rows_scanned"] >= 5
    ranged = collection.temporal_range(ORIGIN, radius=2.0, include=include)
    assert to_arrow(ranged, dim=2).to_pylist() == rows_of(ranged.hits)


def test_a_batch_is_one_table_with_the_place_of_each_question(collection):
    queries = [{"query_vector": ORIGIN, "k": k} for k in (2, 3)]
    queries.insert(1, {"query_vector": ORIGIN, "entity_ids": []})
    reply = collection.temporal_knn_batch(queries)
    table = to_arrow(reply)
    assert table["query"].to_pylist() == [0, 0, 2, 2, 2]
    hits = [hit for result in reply.results for hit in result.hits]
    assert table.drop_columns("query").to_pylist() == rows_of(hits)
    assert [one["returned"] for one in said(table)["results"]] == [2, 0, 3]
    walk = collection.temporal_knn_walk(ORIGIN, as_of_each=[3, 12], k=9)
    assert to_arrow(walk)["query"].to_pylist() == [0] * 3 + [1] * 9


def test_a_difference_has_a_row_for_each_side(collection):
    collection.ingest(entity_id="new", timestamp=3 * SECOND, vector=[0.0, 3.1])
    reply = collection.temporal_diff(
        ORIGIN, before={"end_time": SECOND}, after={"start_time": 3 * SECOND}, k=2
    )
    table = to_arrow(reply)
    assert table.column_names[:5] == ["movement", "range", "rank", "rank_delta", "distance_delta"]
    rows = [
        (row["movement"], row["range"], row["rank"], row["rank_delta"], row["entity_id"])
        for row in table.to_pylist()
    ]
    moved = reply.moved[0]
    assert rows == [
        ("entered", "after", 1, None, "new"),
        ("left", "before", 1, None, "a"),
        ("moved", "before", moved.before.rank, moved.rank_delta, "b"),
        ("moved", "after", moved.after.rank, moved.rank_delta, "b"),
    ]
    assert table["distance_delta"].to_pylist()[2:] == [moved.distance_delta] * 2
    hits = [reply.entered[0].hit, reply.left[0].hit, moved.before.hit, moved.after.hit]
    assert table.drop_columns(table.column_names[:5]).to_pylist() == rows_of(hits)
    assert said(table) == {"stayed": 0, "exact": True, "as_of_seq": reply.as_of_seq}


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, **only: c.temporal_knn(ORIGIN, include=BOTH, **only),
        lambda c, **only: c.temporal_range(ORIGIN, radius=9.0, include=BOTH, **only),
        lambda c, **only: c.list_points(include=BOTH, **only),
        lambda c, **only: c.temporal_knn_batch([{"query_vector": ORIGIN, "include": BOTH, **only}]),
        lambda c, **only: c.temporal_diff(ORIGIN, before={}, after={}, include=BOTH, **only),
    ],
    ids=["knn", "range", "points", "batch", "diff"],
)
def test_nothing_has_the_same_columns(collection, ask):
    empty = to_arrow(ask(collection, entity_ids=[]), dim=2)
    assert empty.num_rows == 0
    assert empty.schema.equals(to_arrow(ask(collection)).schema) or "movement" in empty.column_names
    joined = pa.concat_tables([empty, to_arrow(ask(collection), dim=2)])
    assert joined.schema.field("vector").type == pa.list_(pa.float32(), 2)


def test_a_column_of_vectors_that_are_not_there_takes_no_room(collection):
    table = to_arrow(collection.list_points())
    assert table.schema.field("vector").type == pa.null()
    assert table.drop_columns("vector").schema == schema_of(Point, None).remove(7)


def test_pandas_and_polars_take_it(collection):
    table = to_arrow(collection.temporal_knn(ORIGIN, k=3, include=BOTH))
    frame = table.to_pandas()
    assert frame["timestamp"].dt.tz is not None
    assert np.stack(frame["vector"]).shape == (3, 2)
    assert isinstance(frame, pd.DataFrame)
    framed = pl.DataFrame(table)
    assert framed.schema["vector"] == pl.Array(pl.Float32, 2)
    assert framed["metadata"].str.json_decode(pl.Struct({"n": pl.Int64})).struct["n"].len() == 3


@pytest.mark.parametrize("other", [None, [], {"items": []}, "reply", 5, Point])
def test_what_holds_no_list_is_refused(collection, other):
    given = collection.get_point("c", 0) if other is Point else other
    with pytest.raises(InvalidRequestError, match="to_arrow takes replies"):
        to_arrow(given)

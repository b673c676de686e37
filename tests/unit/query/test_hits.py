"""Stored rows become records, complete and in order, whichever parts they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest

from tests.contract.parts import RECORDED_AT, Sample
from tsvec.model.replies import Hit, Point
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.candidates import Candidates
from tsvec.query.hits import (
    JSON,
    RECORDS,
    ReplySize,
    construct,
    dump_fields,
    hit_fields,
    make_points,
)

SAMPLES = [
    Sample("a", 3_000_000, (0.1, 0.0, 0.0, 0.0), metadata=b'{"n":1}', entity_type="ship"),
    Sample("b", 1_000_000, (2.0, 0.0, 0.0, 0.0), key="k"),
    Sample("a", 2_000_001, (3.0, 0.0, 0.0, 0.0), key="\u00e9"),
]


@pytest.fixture
def windows(shelf):
    """The first two points sealed, the third hot."""
    holding = shelf(metric="l2")
    holding.commit(SAMPLES[:2])
    holding.seal_all()
    holding.commit(SAMPLES[2:])
    return holding.windows


def test_points_hold_what_was_stored(windows):
    [sealed, hot] = windows.parts()
    points = make_points(windows, [(sealed, 1), (sealed, 0)], ("metadata", "vector"))
    assert points[0] == Point(
        entity_id="a",
        entity_type="ship",
        timestamp=datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC),
        recorded_at=datetime.fromtimestamp(RECORDED_AT // 1_000_000, UTC).replace(microsecond=2),
        seq=1,
        metadata={"n": 1},
    ).model_copy(update={"vector": points[0].vector})
    assert points[0].vector.tolist() == [np.float32(0.1), 0, 0, 0]
    assert points[0].vector.dtype == np.float32
    assert (points[1].entity_id, points[1].key, points[1].metadata) == ("b", "k", {})
    [late] = make_points(windows, [(hot, 0)], ())
    assert (late.metadata, late.vector, late.key) == (None, None, "é")
    assert late.timestamp.microsecond == 1
    assert make_points(windows, [], ("vector",)) == []


def test_what_is_absent_is_left_out_of_the_json(windows):
    [sealed, hot] = windows.parts()
    [plain] = make_points(windows, [(sealed, 1)], ())
    assert set(orjson.loads(plain.model_dump_json())) == {
        "entity_id",
        "entity_type",
        "timestamp",
        "recorded_at",
        "seq",
    }
    [full] = make_points(windows, [(hot, 0)], ("vector", "metadata"))
    again = Point.model_validate_json(full.model_dump_json())
    assert again.model_dump_json() == full.model_dump_json()
    assert again.vector.tolist() == full.vector.tolist()


def test_a_vector_in_a_reply_is_the_callers_own(windows):
    [sealed, hot] = windows.parts()
    for part in (sealed, hot):
        [point] = make_points(windows, [(part, 0)], ("vector",))
        point.vector[:] = 7
        assert not (part.vectors(slice(0, 1)) == 7).any()


def found(windows, places, distances):
    parts = list(windows.parts())
    source, row = (np.array(column) for column in zip(*places, strict=True))
    nothing = np.zeros(len(row), np.int64)
    return Candidates(parts, source, row, np.array(distances), nothing)


def test_hits_keep_their_order_across_parts(windows):
    several = found(windows, [(1, 0), (0, 1), (0, 0)], [0.5, 1.0, 3.0])
    hits = hit_fields(windows, several, ("metadata",), ReplySize())
    assert [(hit["seq"], hit["distance"], hit["similarity"]) for hit in hits] == [
        (3, 0.5, 1 / 1.5),
        (1, 1.0, 0.5),
        (2, 3.0, 0.25),
    ]


@pytest.mark.parametrize("include", [(), ("metadata",), ("vector", "metadata")])
def test_json_is_that_of_the_records(windows, include):
    several = found(windows, [(1, 0), (0, 1), (0, 0)], [0.5, 1.0, 3.0])
    for candidates in (several, replace(several, score=np.array([0.3, 0.2, 0.1]))):
        records = [
            construct(Hit, hit) for hit in hit_fields(windows, candidates, include, ReplySize())
        ]
        hits = hit_fields(windows, candidates, include, ReplySize(), JSON)
        assert [orjson.loads(dump_fields(hit)) for hit in hits] == [
            orjson.loads(record.model_dump_json()) for record in records
        ]


def test_metadata_is_read_or_copied_as_it_is():
    text = b'{"z": 1,"a":[1.50,null]}'
    assert RECORDS.metadata(text) == {"z": 1, "a": [1.5, None]}
    assert RECORDS.metadata(b"{}") == {}
    assert dump_fields({"metadata": JSON.metadata(text)}) == b'{"metadata":' + text + b"}"


@pytest.mark.parametrize("micros", [TIME_MIN_US, -1, 0, 1, 1_600_000_000_123_456, TIME_MAX_US])
def test_times_are_written_as_those_of_records(micros):
    times = np.array([micros])
    written = dump_fields({"at": JSON.times(times)[0]})
    assert written == dump_fields({"at": RECORDS.times(times)[0]})


def test_a_constructed_record_is_like_a_validated_one():
    fields = {
        "entity_id": "a",
        "entity_type": "x",
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "key": None,
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "seq": 1,
        "metadata": None,
        "vector": None,
        "distance": 0.5,
        "similarity": 0.5,
        "score": None,
    }
    made = construct(Hit, dict(fields))
    assert made == Hit(**fields)
    assert made.model_dump_json() == Hit(**fields).model_dump_json()
    assert made.model_fields_set == set(fields) == set(Hit.model_fields)
    assert made.model_copy(update={"seq": 2}).seq == 2

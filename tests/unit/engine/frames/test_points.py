"""Record batches of stored points, whatever part they lie in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.query.conftest import Shelf
from tsvec.engine.frames import points as module
from tsvec.engine.frames.points import points_reader
from tsvec.engine.frames.schema import schema_of
from tsvec.model.errors import UnavailableError
from tsvec.model.lists.requests import ReadPointsRequest
from tsvec.model.replies import Point
from tsvec.model.times import TIME_MIN_US

SECOND = 1_000_000
ALL = ["metadata", "vector", "recorded_at", "seq"]


@pytest.fixture(params=range(3))
def lived(request, tmp_path):
    rng = np.random.default_rng(request.param)
    shelf = Shelf(tmp_path, metric="l2", block_rows=60)
    shelf.live(rng)
    return shelf, rng


def is_open():
    pass


def read(windows, **request):
    return points_reader(windows, ReadPointsRequest(**request), is_open)


@pytest.mark.parametrize("sparse", [0, 4])
def test_columns_are_what_was_given(lived, monkeypatch, sparse):
    """As of random changes, after random cutoffs, in blocks of any length, of any row density."""
    monkeypatch.setattr(module, "_SPARSE", sparse)
    shelf, rng = lived
    for _ in range(10):
        monkeypatch.setattr(module, "_BLOCK_ROWS", int(rng.integers(1, 50)))
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        table = read(shelf.seen(seq, cutoff), include=ALL).read_all()
        table.validate(full=True)
        living = shelf.living(seq, cutoff)
        wanted = sorted(living, key=lambda n: (living[n].timestamp, n))
        assert table["seq"].to_pylist() == wanted
        given = [living[n] for n in wanted]
        assert table["entity_id"].to_pylist() == [one.entity_id for one in given]
        assert table["entity_type"].to_pylist() == ["GENERIC"] * len(given)
        assert table["timestamp"].cast(pa.int64()).to_pylist() == [one.timestamp for one in given]
        assert table["key"].to_pylist() == [one.key for one in given]
        assert table["metadata"].to_pylist() == [one.metadata.decode() for one in given]
        assert [tuple(row) for row in table["vector"].to_pylist()] == [one.vector for one in given]
        recorded = table["recorded_at"].cast(pa.int64()).to_pylist()
        assert recorded == [shelf.recorded[n] for n in wanted]


@pytest.mark.parametrize("include", [[], ["seq"], ["metadata"], ALL])
def test_the_schema_is_that_of_points_whatever_there_is(lived, include):
    shelf, _ = lived
    whole = schema_of(Point, 4)
    always = {"entity_id", "entity_type", "timestamp", "key"}
    wanted = pa.schema([field for field in whole if field.name in always | {*include}])
    for request in ({}, {"entity_ids": []}):
        reader = read(shelf.windows, include=include, **request)
        assert reader.schema.equals(wanted)
        assert reader.schema.metadata == {
            b"tsvec": b'{"collection":"c","as_of_seq":%d}' % shelf.seq
        }
        table = reader.read_all()
        assert table.schema.equals(wanted)
        assert (len(table) > 0) == (not request)


def test_blocks_of_long_vectors_are_short(lived, monkeypatch):
    shelf, _ = lived
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * 4 * 5)
    batches = list(read(shelf.windows))
    assert {len(batch) for batch in batches[:-1]} == {5}
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1)
    assert {len(batch) for batch in read(shelf.windows)} == {1}


def test_it_is_read_as_it_is_asked_for_and_ends_with_the_database(lived, monkeypatch):
    shelf, _ = lived
    monkeypatch.setattr(module, "_BLOCK_ROWS", 10)
    asked = []

    def check_open():
        asked.append(None)
        if len(asked) > 2:
            raise UnavailableError("the database is closed")

    reader = points_reader(shelf.windows, ReadPointsRequest(), check_open)
    assert asked == []
    assert len(reader.read_next_batch()) == 10
    assert len(reader.read_next_batch()) == 10
    with pytest.raises(UnavailableError, match="is closed"):
        reader.read_next_batch()


def test_what_is_written_meanwhile_is_not_read(lived, monkeypatch):
    shelf, _ = lived
    monkeypatch.setattr(module, "_BLOCK_ROWS", 10)
    before = read(shelf.windows, include=ALL).read_all()
    reader = read(shelf.windows, include=ALL)
    first = reader.read_next_batch()
    shelf.delete(shelf.stored, sorted(shelf.living()))
    shelf.seal_all()
    rest = [*reader]
    assert pa.Table.from_batches([first, *rest]).equals(before)

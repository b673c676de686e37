"""What is read as a frame and stored elsewhere is the same collection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsvec
from tests.property.shelves import SECOND, Shelves
from tsvec import Settings

FEW = settings(settings.get_profile("property"), max_examples=10)
SIDES = st.none() | st.integers(-25, 65).map(lambda second: second * SECOND)
WAYS = {
    "reader": lambda reader: reader,
    "table": pa.RecordBatchReader.read_all,
    "pandas": lambda reader: reader.read_all().to_pandas(),
    "pandas of arrow": lambda reader: reader.read_all().to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "batches": list,
}


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    """Makes a collection with a past, and one to fill; all are closed at the end."""
    made = []

    def make(seed):
        shelves = Shelves(tmp_path_factory.mktemp("from"), seed, Settings(seal_rows=24))
        made.append(shelves)
        shelves.ingest()
        shelves.live(14)
        other = tsvec.connect(tmp_path_factory.mktemp("to"), settings=Settings(seal_rows=24))
        made.append(other)
        return shelves, other.create_collection("c", dim=2, metric="l2")

    yield make
    for one in made:
        one.close()


def contents(collection, **request):
    """Every point of a collection, as it is told one by one."""
    found, cursor = [], None
    while True:
        page = collection.list_points(
            include=["metadata", "vector"], limit=500, cursor=cursor, **request
        )
        found += [
            (p.timestamp, p.entity_id, p.key, p.entity_type, p.metadata, tuple(p.vector.tolist()))
            for p in page.items
        ]
        cursor = page.next_cursor
        if cursor is None:
            return found


@FEW
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(list(WAYS)),
    SIDES,
    SIDES,
    st.none() | st.integers(0, 5),
    st.integers(1, 40),
    st.booleans(),
)
def test_a_frame_goes_round(begin, seed, way, start, end, least, commit_rows, look_back):
    shelves, other = begin(seed)
    if start is not None and end is not None and start > end:
        start, end = end, start
    request = {"start_time": start, "end_time": end}
    if least is not None:
        request["filter"] = {"n": {"$gte": least}}
    if look_back:
        request["as_of"] = int(shelves.rng.integers(1, shelves.seq + 1))
    seq = request.get("as_of", shelves.seq)
    remembered = [
        (one.identity, one.born)
        for one in shelves.memory.seen(seq)
        if (start is None or start <= one.identity[0])
        and (end is None or one.identity[0] < end)
        and (least is None or one.metadata["n"] >= least)
    ]
    table = shelves.collection.read_points(include=["seq"], **request).read_all()
    keys = [key or "" for key in table["key"].to_pylist()]
    times, names = table["timestamp"].cast(pa.int64()).to_pylist(), table["entity_id"].to_pylist()
    found = list(zip(zip(times, names, keys, strict=True), table["seq"].to_pylist(), strict=True))
    assert found == sorted(remembered, key=lambda one: (one[0][0], one[1]))
    frame = WAYS[way](shelves.collection.read_points(**request))
    if not remembered:
        return
    reply = other.ingest_frames(frame, commit_rows=commit_rows)
    assert (reply.ingested, reply.replaced, reply.rejected) == (len(remembered), 0, 0)
    assert contents(other) == contents(shelves.collection, **request)
    again = other.ingest_frames(other.read_points(), commit_rows=commit_rows)
    assert (again.ingested, again.unchanged) == (0, len(remembered))


def test_types_and_numbers_go_round_exactly(begin):
    shelves, other = begin(1)
    source = shelves.collection
    rng = np.random.default_rng(0)
    odd = np.array([[1e-45, -0.0], [3.4e38, -3.4e38], [1 / 3, 16_777_217]], np.float32)
    source.ingest(
        [
            {
                "entity_id": f"kind-{row}",
                "entity_type": "漢",
                "timestamp": (2**53 + 1, -62_135_596_800_000_000, 253_402_300_799_999_999)[row],
                "vector": vector,
                "metadata": {"big": 2**63 - 1, "x": rng.random(), "s": "\U0001f300\n", "z": None},
            }
            for row, vector in enumerate(odd)
        ]
    )
    other.ingest_frames(source.read_points())
    assert contents(other) == contents(source)
    assert other.read_points().read_all() == source.read_points().read_all()

"""Embedded ingest against bare DuckDB: the same batches, each durable before the next is sent."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

import tsvec
from benchmarks.data import COLLECTION, DIM, Columns, make_columns
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import check_points, wait_until_sealed

BATCH_ROWS = 1_000
_ROWS_SHARE = 5
_DUCKDB_COLUMNS = (
    "entity_id VARCHAR, entity_type VARCHAR, timestamp TIMESTAMPTZ, key VARCHAR, seq UBIGINT, "
    f"recorded_at TIMESTAMPTZ, vector FLOAT[{DIM}], metadata VARCHAR"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rows a second: until the last batch was acknowledged, and until no row was in a log only."""

    acknowledged: float
    settled: float


def run(context: Context) -> Outcome:
    """Both sides, with vectors of unit length and of other lengths, in turns."""
    rows = max(context.rows // _ROWS_SHARE, BATCH_ROWS)
    sides = {}
    for kind, unit in (("unit", True), ("scaled", False)):
        batches = [make_columns(at, BATCH_ROWS, unit=unit) for at in range(0, rows, BATCH_ROWS)]
        tables = [as_arrow(batch, at) for at, batch in enumerate(batches)]
        sides[f"tsvec {kind}"] = partial(ingest, context.scratch, batches)
        sides[f"duckdb {kind}"] = partial(insert, context.scratch, tables)
    found = context.interleave(sides)
    figures = []
    for kind, words in (("unit", "unit vectors"), ("scaled", "vectors of any length")):
        ours, theirs = found[f"tsvec {kind}"], found[f"duckdb {kind}"]
        figures += [
            Figure.ratio(
                f"ingest / DuckDB, {words}",
                ("tsvec", [rates.acknowledged for rates in ours]),
                ("DuckDB", [rates.acknowledged for rates in theirs]),
                unit="rows/s",
                target=Target(at_least=0.5),
            ),
            Figure.ratio(
                f"the same until sealed / checkpointed, {words}",
                ("tsvec", [rates.settled for rates in ours]),
                ("DuckDB", [rates.settled for rates in theirs]),
                unit="rows/s",
            ),
        ]
    return Outcome(figures=figures, facts={"rows a block": rows, "rows a batch": BATCH_ROWS})


def ingest(scratch: Path, batches: Sequence[Columns], _block: int) -> Rates:
    """One commit a batch through `Collection.ingest` into a new database."""
    path = scratch / "ingest"
    rows = len(batches) * BATCH_ROWS
    with tsvec.connect(path) as database:
        collection = database.create_collection(COLLECTION, dim=DIM)
        with timed() as all_of_it:
            with timed() as acknowledged:
                for batch in batches:
                    collection.ingest(**batch)
            wait_until_sealed(collection)
        check_points(collection, rows)
    shutil.rmtree(path)
    return Rates(rows / acknowledged.seconds, rows / all_of_it.seconds)


def insert(scratch: Path, tables: Sequence[pa.Table], _block: int) -> Rates:
    """One commit a batch into a new DuckDB file: register the Arrow table, INSERT from it."""
    path = scratch / "ingest.duckdb"
    rows = len(tables) * BATCH_ROWS
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE points ({_DUCKDB_COLUMNS})")
        with timed() as all_of_it:
            with timed() as acknowledged:
                for table in tables:
                    connection.register("batch", table)
                    connection.execute("INSERT INTO points SELECT * FROM batch")
            connection.execute("CHECKPOINT")
    path.unlink()
    return Rates(rows / acknowledged.seconds, rows / all_of_it.seconds)


def as_arrow(batch: Columns, number: int) -> pa.Table:
    """The batch as DuckDB likes it best, with the columns that tsvec stores besides."""
    rows = len(batch["entity_id"])
    text = pa.large_string()
    times = pa.array(batch["timestamp"]).cast(pa.timestamp("us", "UTC"))
    flat = pa.array(batch["vector"].reshape(-1))
    return pa.table(
        {
            "entity_id": pa.array(batch["entity_id"], text),
            "entity_type": pa.array(["GENERIC"] * rows, text),
            "timestamp": times,
            "key": pa.nulls(rows, text),
            "seq": pa.array(np.arange(number * rows, (number + 1) * rows, dtype=np.uint64)),
            "recorded_at": times,
            "vector": pa.FixedSizeListArray.from_arrays(flat, DIM),
            "metadata": pa.array(["{}"] * rows, text),
        }
    )

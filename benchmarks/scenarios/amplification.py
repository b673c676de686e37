"""What compaction writes for each byte that was sealed, and what it leaves behind."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import tsvec
from benchmarks.arrival import LATE_SHARE, STREAM, Rows, late_order
from benchmarks.data import COLLECTION, DIM, Columns
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import check_points, depth_of, wait_until_sealed, wait_until_settled

BATCH_ROWS = tsvec.Settings().seal_rows
"""Each request is sealed before the next is sent: small partitions are merged most often."""

SMALL_DIM = 8
_ROWS_SHARE = 2
_FAN_OUT = 4
_CAUSE = "rows were rewritten more often than once for each level of sizes"


@dataclass(frozen=True, slots=True)
class Compacted:
    """A collection after a full compaction; `seconds` is what that took by itself.

    `unasked` is the amplification before, `depth` how many partitions cover one instant at most.
    """

    amplification: float
    unasked: float
    partitions: int
    depth: int
    seconds: float
    megabytes: float


def run(context: Context) -> Outcome:
    """In order and late, of few and of many dimensions, in turns."""
    rows = max(context.rows // _ROWS_SHARE, 2 * BATCH_ROWS)
    orders = {
        "in order": np.arange(rows),
        f"{LATE_SHARE * 100:g} % late": late_order(rows, STREAM),
    }
    sides = {}
    for dim in (SMALL_DIM, DIM):
        made = Rows.make(rows, STREAM, dim=dim)
        for words, order in orders.items():
            batches = made.batches(order, BATCH_ROWS)
            path = context.scratch / "amplification"
            sides[f"{dim} dimensions, {words}"] = partial(build, path, batches, dim)
    found = context.interleave(sides)
    limit = math.log(rows / BATCH_ROWS, _FAN_OUT) + 2
    return Outcome(
        figures=[figure for name, seen in found.items() for figure in _figures(name, seen, limit)],
        facts={
            "rows": rows,
            "rows of a seal": BATCH_ROWS,
            **{
                f"{fact}, {name}": getattr(seen[0], fact)
                for name, seen in found.items()
                for fact in ("megabytes", "partitions", "unasked")
            },
        },
    )


def _figures(name: str, seen: Sequence[Compacted], limit: float) -> list[Figure]:
    return [
        Figure.of(
            f"bytes written / bytes sealed, {name}",
            [one.amplification for one in seen],
            unit="x",
            target=Target(at_most=limit),
            cause=_CAUSE,
        ),
        Figure.of(
            f"partitions over one instant, {name}",
            [one.depth for one in seen],
            target=Target(at_most=2),
        ),
        Figure.of(f"full compaction, {name}", [one.seconds for one in seen], unit="s"),
    ]


def build(path: Path, batches: Sequence[Columns], dim: int, _block: int) -> Compacted:
    """Ingest, let the background do what it does, then compact all of it."""
    with tsvec.connect(path) as database:
        collection = database.create_collection(COLLECTION, dim=dim)
        for batch in batches:
            collection.ingest(**batch)
            if len(batch["entity_id"]) == BATCH_ROWS:
                wait_until_sealed(collection, hot_rows_max=0)
        wait_until_settled(collection)
        unasked = collection.get_collection_stats().write_amplification
        with timed() as watch:
            status = collection.compact()
        if status.problem or status.waiting:
            raise RuntimeError(f"compaction left {status.waiting} partitions: {status.problem}")
        stats = collection.get_collection_stats()
        check_points(collection, sum(len(batch["entity_id"]) for batch in batches))
        written = (stats.bytes.partitions + stats.bytes.columns) / 1e6
        depth = depth_of(collection)
    shutil.rmtree(path)
    return Compacted(
        stats.write_amplification, unasked, stats.partitions, depth, watch.seconds, written
    )

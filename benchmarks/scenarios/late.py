"""Ingest of late rows against the same rows in order, and of rows that replace others."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import tsvec
from benchmarks.arrival import GRID, LATE_SHARE, STREAM, Rows, late_order, repeat_earlier
from benchmarks.data import COLLECTION, DIM, Columns
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import check_points, wait_until_settled

BATCH_ROWS = 1_000
REPLACED_SHARE = 0.05
_ROWS_SHARE = 5
_TIMELINES = {"one row an instant": STREAM, "1,000 entities at common instants": GRID}
_CAUSE = (
    "a late row is looked up among the points of its time, and partitions of late rows overlap, so "
    "that the background merges more and takes more of the interpreter lock"
)


@dataclass(frozen=True, slots=True)
class Ingested:
    """Rows a second until the last batch was acknowledged and until the background had done its
    work, and how many rows were late or replaced others.
    """

    acknowledged: float
    settled: float
    late: int
    replaced: int


def run(context: Context) -> Outcome:
    """In order, late, late with replacements, for two shapes of time, in turns."""
    rows = max(context.rows // _ROWS_SHARE, 2 * BATCH_ROWS)
    found: dict[str, dict[str, list[Ingested]]] = {}
    for words, timeline in _TIMELINES.items():
        made = Rows.make(rows, timeline)
        in_order, late = np.arange(rows), late_order(rows, timeline)
        orders = {
            "in order": made.batches(in_order, BATCH_ROWS),
            "late": made.batches(late, BATCH_ROWS),
            "late and replacing": made.batches(
                repeat_earlier(late, REPLACED_SHARE), BATCH_ROWS, vectors=late
            ),
        }
        found[words] = context.interleave(
            {
                name: partial(ingest, context.scratch / "late", batches)
                for name, batches in orders.items()
            }
        )
    return Outcome(
        figures=[figure for words, sides in found.items() for figure in _figures(words, sides)],
        facts={
            "rows a block": rows,
            "rows a batch": BATCH_ROWS,
            **{
                f"{fact} rows, {words}": getattr(sides[side][0], fact)
                for words, sides in found.items()
                for fact, side in (("late", "late"), ("replaced", "late and replacing"))
            },
        },
    )


def _figures(words: str, sides: dict[str, list[Ingested]]) -> list[Figure]:
    share = f"{LATE_SHARE * 100:g} % late"
    names = {
        "late": share,
        "late and replacing": f"{share}, {REPLACED_SHARE * 100:g} % replacing others",
    }
    figures = []
    for side, name in names.items():
        acknowledged = [
            (given, [seen.acknowledged for seen in sides[given]]) for given in (side, "in order")
        ]
        settled = [(given, [seen.settled for seen in sides[given]]) for given in (side, "in order")]
        figures += [
            Figure.ratio(
                f"{name} / in order, {words}",
                *acknowledged,
                unit="rows/s",
                target=Target(at_least=0.5) if side == "late" else None,
                cause=_CAUSE,
            ),
            Figure.ratio(f"the same until settled, {name}, {words}", *settled, unit="rows/s"),
        ]
    return figures


def ingest(path: Path, batches: Sequence[Columns], _block: int) -> Ingested:
    """One commit a batch into a new database, until the background is done."""
    late = replaced = 0
    rows = sum(len(batch["entity_id"]) for batch in batches)
    with tsvec.connect(path) as database:
        collection = database.create_collection(COLLECTION, dim=DIM)
        with timed() as all_of_it:
            with timed() as acknowledged:
                for batch in batches:
                    reply = collection.ingest(**batch)
                    late += reply.late
                    replaced += reply.replaced
            wait_until_settled(collection)
        check_points(collection, rows - replaced)
    shutil.rmtree(path)
    return Ingested(rows / acknowledged.seconds, rows / all_of_it.seconds, late, replaced)

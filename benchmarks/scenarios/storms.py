"""Sparse data: fifty years of storms, one observation every six hours."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import tsvec
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import check_points, wait_until_sealed
from tsvec.cli import demo
from tsvec.cli.storms import COLLECTION, Storms, load_storms


@dataclass(frozen=True, slots=True)
class Loaded:
    """How long it took until every batch was acknowledged, and what it became on disk."""

    seconds: float
    partitions: int


def run(context: Context) -> Outcome:
    """Load them as the demo does, wait until what is worth sealing is sealed."""
    storms = load_storms()
    found = context.interleave({"load": lambda _: load(context, storms)})["load"]
    return Outcome(
        figures=[
            Figure.of(
                "loading the storms",
                [loaded.seconds for loaded in found],
                unit="s",
                target=Target(at_most=10.0),
            ),
            Figure.of(
                "partitions they make",
                [loaded.partitions for loaded in found],
                target=Target(at_most=8.0),
            ),
        ],
        facts={"rows": len(storms), "storms": len(storms.ids)},
    )


def load(context: Context, storms: Storms) -> Loaded:
    """Load them into a new database."""
    path = context.scratch / "storms"
    with tsvec.connect(path) as database:
        with timed() as watch:
            demo.load(database, storms, lambda _: None)
        collection = database.collection(COLLECTION)
        wait_until_sealed(collection)
        check_points(collection, len(storms))
        partitions = collection.get_collection_stats().partitions
    shutil.rmtree(path)
    return Loaded(watch.seconds, partitions)

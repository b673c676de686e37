"""What a filter costs: once it is remembered, and when it is evaluated for the first time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tsvec
from benchmarks.data import (
    COLLECTION,
    DIM,
    Columns,
    Question,
    make_columns,
    make_questions,
)
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import wait_until_sealed, wait_until_settled

SHARES = (1.0, 0.1, 0.01)
KEPT_SHARE = 0.1
TARGET = Target(at_most=1.5)
_GROUPS = round(1 / KEPT_SHARE)
_FILTER = {"group": 3}
_ROWS_SHARE = 5
_ROWS_SCANNED = 4_000_000
_QUESTIONS_MAX = 1_000
_CHUNK_ROWS = 10_000
_SEED = 20_241_001
_CAUSE = "the rows that pass are counted and handed to the scan as a bitmap, each time anew"


def run(context: Context) -> Outcome:
    """Seconds of exact questions over the same rows with a cached filter that keeps a tenth of
    them, and without; and rows a second of filters that were never asked for before.
    """
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows with metadata")
    path = context.scratch / "filtered"
    build_described(path, rows)
    figures = []
    with tsvec.connect(path) as database:
        collection = database.collection(COLLECTION)
        kept = collection.temporal_knn(np.ones(DIM, np.float32), k=1, filter=_FILTER)
        for share in SHARES:
            count = min(_QUESTIONS_MAX, max(3, round(_ROWS_SCANNED / (rows * share))))
            questions = make_questions(count, rows, share, seed=9)
            found = context.interleave(
                {
                    "filtered": _asker(collection, questions, filter=_FILTER),
                    "unfiltered": _asker(collection, questions),
                }
            )
            figures.append(
                Figure.ratio(
                    f"cached {KEPT_SHARE:.0%} filter / none, {share * 100:g} % of the rows",
                    ("filtered", found["filtered"]),
                    ("unfiltered", found["unfiltered"]),
                    unit="s",
                    target=TARGET,
                    cause=_CAUSE,
                )
            )
        figures += list(_first_time(context, collection, rows))
    shutil.rmtree(path)
    return Outcome(figures=figures, facts={"rows": rows, "rows kept": kept.eligible.value})


def _first_time(context: Context, collection: tsvec.Collection, rows: int) -> Iterator[Figure]:
    """Rows a second of filters of a few kinds, another one in every block."""
    kinds: dict[str, Callable[[int], dict[str, Any]]] = {
        "text equality": lambda block: {"kind": f"k{block}"},
        "number order": lambda block: {"speed": {"$gt": 90 + block / 100}},
        "both and a list": lambda block: {
            "speed": {"$gt": 80 + block / 100},
            "kind": {"$in": ["k1", "k2"]},
            "tags": "t3",
        },
        "one of 500 texts": lambda block: {"name": {"$in": [f"n{block}-{n}" for n in range(500)]}},
    }
    vector = np.ones(DIM, np.float32)

    def ask(make: Callable[[int], dict[str, Any]]) -> Callable[[int], float]:
        def side(block: int) -> float:
            with timed() as cold:
                collection.temporal_knn(vector, k=1, filter=make(block), include=[])
            with timed() as warm:
                collection.temporal_knn(vector, k=1, filter=make(block), include=[])
            return rows / max(cold.seconds - warm.seconds, 1e-6)

        return side

    found = context.interleave({name: ask(make) for name, make in kinds.items()})
    for name, rates in found.items():
        yield Figure.of(f"first evaluation, {name}", rates, unit="rows/s")


def _asker(
    collection: tsvec.Collection, questions: Sequence[Question], **more: Any
) -> Callable[[int], float]:
    def ask(_block: int) -> float:
        with timed() as watch:
            for question in questions:
                collection.temporal_knn(**question.request, **more, include=[])
        return watch.seconds

    return ask


def build_described(path: Path, rows: int) -> None:
    """All rows sealed, each with metadata of about a hundred bytes."""
    settings = tsvec.Settings(seal_age_seconds=0.001, seal_age_rows_min=1)
    with tsvec.connect(path, settings=settings) as database:
        collection = database.create_collection(COLLECTION, dim=DIM)
        for first in range(0, rows, _CHUNK_ROWS):
            collection.ingest(**described_columns(first, min(_CHUNK_ROWS, rows - first)))
        wait_until_sealed(collection, hot_rows_max=0)
        wait_until_settled(collection)


def described_columns(first: int, rows: int) -> Columns:
    """Rows of `make_columns` with metadata of about a hundred bytes."""
    rng = np.random.default_rng((_SEED, first))
    speeds, names = rng.uniform(0, 100, rows), rng.integers(0, 5_000, rows)
    groups = rng.integers(0, _GROUPS, rows)
    metadata = [
        {
            "speed": speed,
            "group": group,
            "kind": f"k{group}",
            "name": f"n{name}",
            "tags": ["t1", f"t{group}"],
            "basin": "north atlantic",
        }
        for speed, name, group in zip(speeds.tolist(), names.tolist(), groups.tolist(), strict=True)
    ]
    return make_columns(first, rows) | {"metadata": metadata}

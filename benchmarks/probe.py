"""`python -m benchmarks.probe NAME ARGUMENT...`: measures this fresh process, prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import tsvec
from benchmarks.data import COLLECTION, make_questions
from benchmarks.ledger import measure_ledger
from benchmarks.machine import rss_anon_mb
from benchmarks.measure import timed


def open_database(directory: str) -> dict[str, float | int]:
    """How long `tsvec.connect` takes."""
    with timed() as watch:
        database = tsvec.connect(directory)
    with database:
        stats = database.collection(COLLECTION).get_collection_stats()
    return {
        "seconds": watch.seconds,
        "sealed_rows": stats.sealed_points,
        "hot_rows": stats.hot_points,
        "partitions": stats.partitions,
    }


def query_database(directory: str, rows: str, short: str, full: str) -> dict[str, float | int]:
    """Anonymous memory after many questions: `short` over 1 % and `full` over all of the time."""
    before = rss_anon_mb()
    with tsvec.connect(Path(directory)) as database:
        collection = database.collection(COLLECTION)
        opened = rss_anon_mb()
        questions = make_questions(int(short), int(rows), 0.01, seed=1)
        questions += make_questions(int(full), int(rows), 1.0, seed=2)
        returned = sum(collection.temporal_knn(**asked.request).returned for asked in questions)
        after = rss_anon_mb()
    return {"imported_mb": before, "opened_mb": opened, "queried_mb": after, "hits": returned}


PROBES: dict[str, Callable[..., dict[str, float | int]]] = {
    "open": open_database,
    "memory": query_database,
    "ledger": measure_ledger,
}


def main() -> None:
    name, *arguments = sys.argv[1:]
    print(json.dumps(PROBES[name](*arguments)))


if __name__ == "__main__":
    main()

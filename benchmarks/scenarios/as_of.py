"""What it costs to ask how things stood earlier, and to pass over deleted rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tsvec
from benchmarks.data import (
    COLLECTION,
    HOT_ROWS,
    Question,
    entity_of,
    make_columns,
    make_questions,
    time_of,
)
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome
from benchmarks.upkeep import check_points

SHARES = (0.5, 0.01)
DELETED_SHARE = 0.05
_ROWS_SHARE = 5
_ROWS_SCANNED = 4_000_000
_QUESTIONS_MAX = 1_000
_DELETED_AT_ONCE = 10_000
_SEED = 20_240_901


def run(context: Context) -> Outcome:
    """Questions a second to the same rows: now, as of before later rows, and with deletions."""
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows")
    paths = {name: context.scratch / f"as-of-{name}" for name in ("whole", "deleted")}
    for path in paths.values():
        shutil.copytree(context.datasets.directory(rows), path)
    figures = []
    with tsvec.connect(paths["whole"]) as one, tsvec.connect(paths["deleted"]) as other:
        whole, deleted = one.collection(COLLECTION), other.collection(COLLECTION)
        seq = whole.get_collection_stats().as_of_seq
        whole.ingest(**make_columns(rows + HOT_ROWS, HOT_ROWS))
        gone = delete_some(deleted, rows)
        check_points(deleted, rows + HOT_ROWS - gone)
        answers = {
            "now": _answer(whole),
            "as_of": _answer(whole, as_of=seq),
            "deleted": _answer(deleted),
            "as_of before": _answer(deleted, as_of=seq),
        }
        for share in SHARES:
            count = min(_QUESTIONS_MAX, max(3, round(_ROWS_SCANNED / (rows * share))))
            questions = make_questions(count, rows, share, seed=6)
            found = context.interleave(
                {name: _asker(answer, questions) for name, answer in answers.items()}
            )
            figures += _figures(f"{share * 100:g} % of the rows", found)
    for path in paths.values():
        shutil.rmtree(path)
    return Outcome(figures=figures, facts={"rows": rows, "deleted rows": gone})


def _figures(words: str, found: dict[str, list[float]]) -> list[Figure]:
    names = {
        "as_of": "as of before 1,000 later rows / now",
        "deleted": f"{DELETED_SHARE * 100:g} % deleted / none deleted",
        "as_of before": f"as of before {DELETED_SHARE * 100:g} % were deleted / none deleted",
    }
    return [
        Figure.of(f"now, {words}", found["now"], unit="queries/s"),
        *(
            Figure.ratio(
                f"{text}, {words}", (side, found[side]), ("now", found["now"]), unit="queries/s"
            )
            for side, text in names.items()
        ),
    ]


def delete_some(collection: tsvec.Collection, rows: int) -> int:
    """Delete `DELETED_SHARE` of the sealed rows, spread over all of them; how many that were."""
    random = np.random.default_rng(_SEED)
    chosen = np.flatnonzero(random.random(rows) < DELETED_SHARE).tolist()
    for at in range(0, len(chosen), _DELETED_AT_ONCE):
        points = [
            {"entity_id": entity_of(row), "timestamp": time_of(row)}
            for row in chosen[at : at + _DELETED_AT_ONCE]
        ]
        collection.delete_points(points=points)
    return len(chosen)


def _answer(collection: tsvec.Collection, **options: Any) -> Callable[[Question], object]:
    return lambda asked: collection.temporal_knn(**asked.request, **options, include=[])


def _asker(
    answer: Callable[[Question], object], questions: Sequence[Question]
) -> Callable[[int], float]:
    def ask(_block: int) -> float:
        with timed() as watch:
            for question in questions:
                answer(question)
        return len(questions) / watch.seconds

    return ask

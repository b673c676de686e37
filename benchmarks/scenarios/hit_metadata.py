"""What the metadata of hits add to a question: JSON that is copied, or parsed into records."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import tsvec
from benchmarks.data import COLLECTION, DIM, Question, make_questions
from benchmarks.measure import Context
from benchmarks.result import Figure, Outcome, Target
from benchmarks.scenarios.filtering import build_described, described_columns
from tsvec.model.queries import Include, TemporalKnnRequest

HOT_ROWS = 10_000
RANGE_ROWS = 2_000
TARGET = Target(at_most=50)
_ROWS_SHARE = 5
_QUESTIONS_MAX = 1_000
_CAUSE = "each hit's metadata is found by its row, copied out of the mapped file, and parsed"

Ask = Callable[[TemporalKnnRequest], object]
METADATA: list[Include] = ["metadata"]
NOTHING: list[Include] = []


def run(context: Context) -> Outcome:
    """Microseconds that `include=["metadata"]` adds to a question for the 10 nearest of 2,000 rows,
    with 100 bytes of metadata each: the same questions are asked with and without it in turns.
    """
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} sealed rows and {HOT_ROWS:,} hot ones with metadata")
    paths = {"sealed": context.scratch / "described", "hot": context.scratch / "described-hot"}
    build_described(paths["sealed"], rows)
    figures = []
    with ExitStack() as stack:
        sealed = stack.enter_context(tsvec.connect(paths["sealed"])).collection(COLLECTION)
        hot = stack.enter_context(_hot(paths["hot"])).collection(COLLECTION)
        sides: dict[str, Callable[[int], float]] = {}
        for place, collection, count in (("sealed", sealed, rows), ("hot", hot, HOT_ROWS)):
            share = min(1.0, RANGE_ROWS / count)
            questions = make_questions(min(_QUESTIONS_MAX, rows), count, share, seed=9)
            for form, ask in (("JSON", _as_json(collection)), ("records", collection.answer)):
                sides[f"{form}, {place}"] = partial(_added_us, ask, questions)
        for name, added in context.interleave(sides).items():
            figures.append(
                Figure.of(f"metadata of 10 hits, {name}", added, unit="µs", target=TARGET)
            )
    for path in paths.values():
        shutil.rmtree(path)
    return Outcome(figures=figures, facts={"sealed rows": rows, "hot rows": HOT_ROWS})


def _as_json(collection: tsvec.Collection) -> Ask:
    return lambda request: collection.encode_answers([collection.prepare(request)])


def _added_us(ask: Ask, questions: Sequence[Question], block: int) -> float:
    """The median with metadata less the median without, each question asked both ways in turn."""
    spent: dict[bool, list[int]] = {True: [], False: []}
    for number, question in enumerate(questions):
        for with_metadata in (True, False) if (number + block) % 2 else (False, True):
            include = METADATA if with_metadata else NOTHING
            request = TemporalKnnRequest(**question.request, include=include)
            begun = time.perf_counter_ns()
            ask(request)
            spent[with_metadata].append(time.perf_counter_ns() - begun)
    return (median(spent[True]) - median(spent[False])) / 1_000


def _hot(path: Path) -> tsvec.Database:
    database = tsvec.connect(path, settings=tsvec.Settings(seal_rows=4 * HOT_ROWS))
    collection = database.create_collection(COLLECTION, dim=DIM)
    collection.ingest(**described_columns(0, HOT_ROWS))
    return database

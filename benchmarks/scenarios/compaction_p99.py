"""What compaction in the same process does to the slowest queries."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

import tsvec
from benchmarks.beside import processor_waits, repeating
from benchmarks.data import COLLECTION, Question, make_questions
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import rewrite, store_of
from tsvec.engine.upkeep.expiry import unlink_gone

QUESTIONS = 5_000
SHARE = 0.01
PIECES = 8
_ROWS_SHARE = 5
_QUESTIONS_SHARE = 20
_HASHED_BYTES = 16 << 20
_CAUSE = (
    "what is left when waits for a processor are taken away is the wait for the interpreter lock; "
    "a thread that only hashes never takes it"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """Milliseconds of the median and the slowest hundredth of queries.

    `lone_ms` is that hundredth of the same queries less their waits for a processor.
    """

    p50_ms: float
    p99_ms: float
    lone_ms: float


def run(context: Context) -> Outcome:
    """The same questions alone, beside merges and beside a thread that only computes, in turns."""
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows")
    path = context.scratch / "compacting"
    shutil.copytree(context.datasets.directory(rows), path)
    questions = make_questions(
        min(QUESTIONS, max(100, rows // _QUESTIONS_SHARE)), rows, SHARE, seed=5
    )
    with tsvec.connect(path) as database:
        collection = database.collection(COLLECTION)
        merging = Merging(collection, rows)
        # Held, so that the background does not undo what is measured.
        with store_of(collection).compacting:
            merging.merge()
            found = context.interleave(
                {
                    "quiet": lambda _: ask(collection, questions),
                    "compacting": lambda _: ask_compacting(collection, questions, merging),
                    "hashing": lambda _: ask_hashing(collection, questions),
                }
            )
    shutil.rmtree(path)
    return Outcome(
        figures=_figures(found),
        facts={
            "rows": rows,
            "rows in range": round(rows * SHARE),
            "questions a block": len(questions),
            "partitions": PIECES,
            "merges in all": merging.merges,
            "seconds of the last merge": merging.seconds,
        },
    )


def _figures(found: dict[str, list[Answered]]) -> list[Figure]:
    quiet = found["quiet"]
    figures = []
    for side in ("compacting", "hashing"):
        busy = found[side]
        figures += [
            Figure.ratio(
                f"slowest 1 % of queries while {side} / quiet",
                (side, [one.p99_ms for one in busy]),
                ("quiet", [one.p99_ms for one in quiet]),
                unit="ms",
                target=Target(at_most=3.0) if side == "compacting" else None,
                cause=_CAUSE,
            ),
            Figure.ratio(
                f"the same without waits for a processor, {side}",
                (side, [one.lone_ms for one in busy]),
                ("quiet", [one.lone_ms for one in quiet]),
                unit="ms",
            ),
        ]
    figures += [
        Figure.of(f"latency, 99 %, {side}", [one.p99_ms for one in found[side]], unit="ms")
        for side in ("quiet", "compacting")
    ]
    figures += [
        Figure.of(f"latency, median, {side}", [one.p50_ms for one in found[side]], unit="ms")
        for side in ("quiet", "compacting")
    ]
    return figures


class Merging:
    """Rewrites all partitions into `PIECES` new ones of the same points, again and again."""

    def __init__(self, collection: tsvec.Collection, rows: int) -> None:
        self._store = store_of(collection)
        self._rows_max = -(-rows // PIECES)
        self.merges = 0
        self.seconds = 0.0

    def merge(self) -> None:
        """Do what a merge of the background does, once."""
        names = [entry.name for entry in self._store.manifest.partitions]
        with timed() as watch:
            rewrite(self._store, names, self._rows_max)
        unlink_gone(self._store)
        self.merges += 1
        self.seconds = watch.seconds


def ask(
    collection: tsvec.Collection,
    questions: Sequence[Question],
    is_enough: Callable[[], bool] = lambda: True,
) -> Answered:
    """Every question once, one after the other, and again until it is enough."""
    waits = []
    with processor_waits() as waited:
        for number, question in enumerate(cycle(questions)):
            if number >= len(questions) and is_enough():
                break
            before, begun = waited(), time.perf_counter()
            collection.temporal_knn(**question.request, include=[])
            seconds = time.perf_counter() - begun
            waits.append((seconds, seconds - (waited() - before)))
    found = np.percentile(np.array(waits) * 1e3, [50, 99], axis=0)
    (p50, _), (p99, lone) = found.tolist()
    return Answered(p50, p99, lone)


def ask_compacting(
    collection: tsvec.Collection, questions: Sequence[Question], merging: Merging
) -> Answered:
    """The same while another thread merges, from the beginning of a merge to its end at least."""
    before = merging.merges
    with repeating(merging.merge):
        return ask(collection, questions, lambda: merging.merges > before)


def ask_hashing(collection: tsvec.Collection, questions: Sequence[Question]) -> Answered:
    """The same while another thread does what needs no interpreter."""
    content = bytes(_HASHED_BYTES)
    with repeating(lambda: hashlib.sha256(content)):
        return ask(collection, questions)

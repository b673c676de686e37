"""Exact temporal_knn in this process over shares of the time, against bare scans of the slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray

import tsvec
from benchmarks.data import COLLECTION, Question, make_questions, stored_vectors
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome
from tsvec.model.vectors import Float32Array

K = 10
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)
_ROWS_SHARE = 5
_ROWS_SCANNED = 4_000_000
"""What a block scans at about, so that short ranges are asked about more often."""
_QUESTIONS_MAX = 1_000

Answer = Callable[[Question], object]


def run(context: Context) -> Outcome:
    """Questions a second of one caller, one thread on every side, in turns."""
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows")
    directory = context.datasets.directory(rows)
    vectors = stored_vectors(rows)
    figures = []
    with tsvec.connect(directory) as database:
        collection = database.collection(COLLECTION)
        answers: dict[str, Answer] = {
            "tsvec": lambda asked: collection.temporal_knn(**asked.request, include=[]),
            "numpy": partial(scan_numpy, vectors),
            "faiss": partial(scan_faiss, vectors),
        }
        for share in SHARES:
            count = min(_QUESTIONS_MAX, max(3, round(_ROWS_SCANNED / (rows * share))))
            questions = make_questions(count, rows, share, seed=4)
            found = context.interleave(
                {name: _asker(answer, questions) for name, answer in answers.items()}
            )
            figures += [
                Figure.of(f"{share * 100:g} % of the rows", found["tsvec"], unit="queries/s"),
                *(
                    Figure.ratio(
                        f"{share * 100:g} % / {other}",
                        ("tsvec", found["tsvec"]),
                        (other, found[other]),
                        unit="queries/s",
                    )
                    for other in ("numpy", "faiss")
                ),
            ]
    return Outcome(figures=figures, facts={"rows": rows, "k": K})


def _asker(answer: Answer, questions: Sequence[Question]) -> Callable[[int], float]:
    def ask(_block: int) -> float:
        with timed() as watch:
            for question in questions:
                answer(question)
        return len(questions) / watch.seconds

    return ask


def scan_numpy(vectors: Float32Array, question: Question) -> NDArray[np.int64]:
    """Row numbers of the nearest vectors of unit length: one product, one partition, one sort."""
    scores = vectors[question.low : question.high] @ question.vector
    k = min(K, len(scores))
    best = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
    nearest: NDArray[np.int64] = best[np.argsort(-scores[best])] + question.low
    return nearest


def scan_faiss(vectors: Float32Array, question: Question) -> NDArray[np.int64]:
    """The same by faiss."""
    faiss.omp_set_num_threads(1)
    part = vectors[question.low : question.high]
    _, found = faiss.knn(question.vector[None, :], part, K, faiss.METRIC_INNER_PRODUCT)
    nearest: NDArray[np.int64] = found[0] + question.low
    return nearest

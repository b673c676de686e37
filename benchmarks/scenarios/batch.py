"""A batch of questions over HTTP, against as many single calls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import orjson

from benchmarks.data import COLLECTION, Question, make_questions
from benchmarks.load import write_bodies
from benchmarks.measure import Context
from benchmarks.processes import serve
from benchmarks.result import Figure, Outcome, Target
from benchmarks.scenarios.http_knn import as_body

QUERIES = 100
SHARES = (0.01, 0.1)
_ROWS_SHARE = 5
_BATCHES_ROWS = 10_000
_CAUSE = "a batch saves HTTP and the choosing of rows; comparing vectors takes as long either way"
_KNN = f"/v1/collections/{COLLECTION}/query/temporal-knn"


def run(context: Context) -> Outcome:
    """The same questions one by one and a hundred at once, from one client, in turns.

    The wider range only informs: there the comparing itself takes most of the time.
    """
    rows = context.rows // _ROWS_SHARE
    context.say(f"building {rows:,} rows")
    directory = context.datasets.directory(rows)
    batches = max(2, rows // _BATCHES_ROWS)
    figures, facts = [], {"rows": rows, "questions a batch": QUERIES, "batches a block": batches}
    with serve(directory) as server:
        for number, share in enumerate(SHARES):
            questions = make_questions(QUERIES * (batches + 1), rows, share, seed=5 + number)
            single, batch = (
                context.scratch / f"single-{number}",
                context.scratch / f"batch-{number}",
            )
            write_bodies(single, map(as_body, questions))
            groups = [questions[at : at + QUERIES] for at in range(0, len(questions), QUERIES)]
            write_bodies(batch, map(_as_batch, groups))
            load = partial(server.load, connections=1)
            found = context.interleave(
                {
                    "single": lambda _: load(_KNN, bodies=single, warm_up=QUERIES),  # noqa: B023
                    "batch": lambda _: load(f"{_KNN}/batch", bodies=batch, warm_up=1),  # noqa: B023
                }
            )
            figures.append(
                Figure.ratio(
                    f"a batch of {QUERIES} / as many single calls, {share:.0%} of the rows",
                    ("a batch", [1e3 / one.rate for one in found["batch"]]),
                    ("single calls", [QUERIES * 1e3 / one.rate for one in found["single"]]),
                    unit="ms",
                    target=Target(at_most=0.5) if share == SHARES[0] else None,
                    cause=_CAUSE,
                )
            )
            facts[f"rows in range, {share:.0%}"] = round(rows * share)
    return Outcome(figures=figures, facts=facts)


def _as_batch(questions: Sequence[Question]) -> bytes:
    bodies = [orjson.Fragment(as_body(question)) for question in questions]
    return orjson.dumps({"queries": bodies})

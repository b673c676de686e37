"""Memory that cannot be given back: anonymous pages after many queries on a large database."""

from __future__ import annotations

from benchmarks.measure import Context
from benchmarks.processes import probe
from benchmarks.result import Figure, Outcome, Target

QUERIES = 1_000
FULL_QUERIES = 20


def run(context: Context) -> Outcome:
    """1,000 questions over 1 % each and a few over everything, in one fresh process a block."""
    context.say(f"building {context.rows:,} rows")
    directory = context.datasets.directory(context.rows)
    found = context.interleave(
        {"queries": lambda _: probe("memory", directory, context.rows, QUERIES, FULL_QUERIES)}
    )["queries"]
    return Outcome(
        figures=[
            Figure.of(
                f"anonymous memory after {QUERIES + FULL_QUERIES:,} queries",
                [seen["queried_mb"] for seen in found],
                unit="MB",
                target=Target(at_most=300.0),
            ),
            Figure.of("with the database just opened", [s["opened_mb"] for s in found], unit="MB"),
            Figure.of("with tsvec imported", [s["imported_mb"] for s in found], unit="MB"),
        ],
        facts={"rows": context.rows, "hits": found[0]["hits"]},
    )

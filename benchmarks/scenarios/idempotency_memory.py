"""Memory of replies that are kept to be repeated, and what becomes of it when they expire."""

from __future__ import annotations

from benchmarks.measure import Context
from benchmarks.processes import probe
from benchmarks.result import Figure, Outcome, Target


def run(context: Context) -> Outcome:
    """As many replies to small ingests as there are rows, in one fresh process a block."""
    found = context.interleave({"ledger": lambda _: probe("ledger", context.rows)})["ledger"]
    return Outcome(
        figures=[
            Figure.of(
                f"anonymous memory of {context.rows:,} replies",
                [seen["kept_mb"] for seen in found],
                unit="MB",
                target=Target(at_most=200.0),
            ),
            Figure.of("of it left when all have expired", [s["left_mb"] for s in found], unit="MB"),
            Figure.of("to find one of them", [s["find_us"] for s in found], unit="µs"),
            Figure.of("to find that a key is new", [s["miss_us"] for s in found], unit="µs"),
            Figure.of(
                "to take a tenth of them from a state", [s["restore_s"] for s in found], unit="s"
            ),
        ],
        facts={"replies": context.rows, "bytes of a reply": found[0]["reply_bytes"]},
    )

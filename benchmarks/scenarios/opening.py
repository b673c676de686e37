"""Opening a large database against a small one with as many unsealed rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Context
from benchmarks.processes import probe
from benchmarks.result import Figure, Outcome, Target

OPENS = 3
"""Fresh processes a block on each side, of which the middle one counts: one open is short."""

_SMALL_SHARE = 10


def run(context: Context) -> Outcome:
    """`tsvec.connect` in fresh processes, in turns, files in the page cache."""
    sizes = {"large": context.rows, "small": context.rows // _SMALL_SHARE}
    sides = {}
    for name, rows in sizes.items():
        context.say(f"building {rows:,} rows")
        directory = context.datasets.directory(rows)
        probe("open", directory)
        sides[name] = partial(open_often, directory)
    found = context.interleave(sides)
    large = [seen["seconds"] for seen in found["large"]]
    small = [seen["seconds"] for seen in found["small"]]
    return Outcome(
        figures=[
            Figure.ratio(
                f"opening {sizes['large']:,} rows / {sizes['small']:,} rows",
                ("large", large),
                ("small", small),
                unit="s",
                target=Target(at_least=0.7, at_most=1.3),
            ),
            Figure.of(
                f"opening {sizes['large']:,} rows", large, unit="s", target=Target(at_most=2.0)
            ),
        ],
        facts={
            f"{name} {fact}": found[name][0][fact]
            for name in sizes
            for fact in ("sealed_rows", "hot_rows", "partitions")
        },
    )


def open_often(directory: Path, _block: int) -> dict[str, Any]:
    """What the middle one of a few opens saw."""
    seen = [probe("open", directory) for _ in range(OPENS)]
    return sorted(seen, key=lambda found: float(found["seconds"]))[OPENS // 2]

"""Interleaved measuring: in every block each side runs once, so that drift hits all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.data import Datasets
from benchmarks.result import Outcome

Measured = TypeVar("Measured")
Side = Callable[[int], Measured]
"""Runs one block, given its number, and returns what it measured."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every scenario is given."""

    rows: int
    """Rows of the largest data set; the others are fixed parts of it."""
    blocks: int
    scratch: Path
    datasets: Datasets
    data: Path | None
    """Where the large real data lie, if they were given."""
    say: Callable[[str], None]
    """Shows what is being done."""

    def interleave(self, sides: Mapping[str, Side[Measured]]) -> dict[str, list[Measured]]:
        """What each side measured, block by block; the order turns round with every block."""
        found: dict[str, list[Measured]] = {name: [] for name in sides}
        for block in range(self.blocks):
            names = list(sides) if block % 2 == 0 else list(reversed(list(sides)))
            for name in names:
                self.say(f"block {block + 1} of {self.blocks}: {name}")
                gc.collect()
                found[name].append(sides[name](block))
        return found


@dataclass(frozen=True, slots=True)
class Scenario:
    """One benchmark."""

    name: str
    question: str
    run: Callable[[Context], Outcome]


@dataclass(slots=True)
class Stopwatch:
    """Seconds of a block of code."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measures the block."""
    watch = Stopwatch()
    begun = time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - begun

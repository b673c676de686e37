"""The planner: which parts a query reads, and how. A pure function of extents and request.

Today every part inside the range is scanned exactly. An approximate method is one more `Method`
and one more cost to compare in `choose_method`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Method = Literal["pruned", "exact"]
_FIXED_US = 8.0
_US_PER_ELEMENT = 0.000122
"""One thread streaming float32 through faiss.knn, measured on an AVX-512 server core."""


_FILTER_FIXED_US = 2_000.0
_FILTER_US_PER_ROW = 0.3
"""One DuckDB thread taking two values out of documents of a hundred bytes, measured likewise."""


@dataclass(frozen=True, slots=True)
class PartExtent:
    """A part as the planner sees it: how many of its rows the time range holds."""

    name: str
    rows: int
    rows_in_range: int


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with one part."""

    part: str
    method: Method
    rows: int
    cost_us: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One step a part, in the order of the parts; before them the filter is evaluated, if it is
    not yet known what it lets pass.
    """

    steps: tuple[Step, ...]
    filter_us: float = 0.0

    @property
    def cost_us(self) -> float:
        """Estimated microseconds of all that is to be done."""
        return self.filter_us + sum(step.cost_us for step in self.steps)


def exact_cost_us(rows: int, dim: int) -> float:
    """Estimated microseconds of an exact scan."""
    return _FIXED_US + _US_PER_ELEMENT * dim * rows if rows else 0.0


def filter_cost_us(documents: int) -> float:
    """Estimated microseconds of evaluating a filter over documents that it was not yet over."""
    return _FILTER_FIXED_US + _FILTER_US_PER_ROW * documents if documents else 0.0


def choose_method(extent: PartExtent, dim: int) -> tuple[Method, float]:
    """The cheapest method for one part and its estimated microseconds."""
    if extent.rows_in_range == 0:
        return "pruned", 0.0
    return "exact", exact_cost_us(extent.rows_in_range, dim)


def plan_knn(extents: Sequence[PartExtent], dim: int, documents: int = 0) -> Plan:
    """The plan for a temporal kNN over these parts, whose filter must look at `documents`."""
    steps = []
    for extent in extents:
        method, cost = choose_method(extent, dim)
        steps.append(Step(extent.name, method, extent.rows, cost))
    return Plan(tuple(steps), filter_cost_us(documents))

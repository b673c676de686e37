"""What an answer says about itself: how many there were to choose from, and how it was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tsvec.model.replies import Eligible, Explain, PlanStep
from tsvec.query.candidates import Candidates, Source
from tsvec.query.plan import Plan

Method: TypeAlias = Literal["pruned", "decayed", "exact"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds of the steps of an answer."""

    planning: int
    scanning: int
    reading: int


def count_eligible(sources: Sequence[Source], found: Candidates, *, by_entity: bool) -> Eligible:
    """How many points, or entities, there were to choose from."""
    if by_entity:
        return Eligible(value=len(found.row), relation="eq" if found.complete else "gte")
    return Eligible(value=sum(source.count for source in sources), relation="eq")


def explain(plan: Plan, sources: Sequence[Source], found: Candidates, spent: Spent) -> Explain:
    """The plan that was run, and what came of it."""
    chosen = {source.part.name: source.count for source in sources}
    steps = [_step(step.part, step.rows, chosen, found.decayed) for step in plan.steps]
    return Explain(
        steps=steps,
        parts_pruned=sum(step.method == "pruned" for step in steps),
        parts_decayed=sum(step.method == "decayed" for step in steps),
        parts_exact=sum(step.method == "exact" for step in steps),
        rows_scanned=sum(step.rows_scanned for step in steps),
        rows_decayed=sum(step.rows_decayed for step in steps),
        rows_rescored=found.measured,
        planning_us=spent.planning,
        scanning_us=spent.scanning,
        reading_us=spent.reading,
        microseconds=spent.planning + spent.scanning + spent.reading,
    )


def _step(part: str, rows: int, chosen: Mapping[str, int], decayed: Mapping[str, int]) -> PlanStep:
    skipped = decayed.get(part, 0)
    scanned = chosen.get(part, 0) - skipped
    method: Method = "decayed" if skipped and not scanned else "exact"
    if part not in chosen:
        method = "pruned"
    return PlanStep.model_construct(
        part=part, method=method, rows=rows, rows_scanned=scanned, rows_decayed=skipped
    )

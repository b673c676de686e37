"""What is wrong, told to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a sentence; `tenant` is whose, None if everybody's."""

    text: str
    tenant: str | None = None


def told(problems: Iterable[Problem | None], tenant: str | None = None) -> list[str]:
    """The sentences that concern a tenant; without one, all of them."""
    return [
        problem.text
        for problem in problems
        if problem is not None and (tenant is None or problem.tenant in {None, tenant})
    ]

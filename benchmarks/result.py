"""What a scenario reports: figures with their targets, and the machine they were measured on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from benchmarks.machine import Machine

Verdict = Literal["met", "MISSED", ""]
_RECORD = ConfigDict(frozen=True, extra="forbid")


class Target(BaseModel):
    """The range a figure is to lie in; either side may be open."""

    model_config = _RECORD

    at_least: float | None = None
    at_most: float | None = None

    def admits(self, value: float) -> bool:
        """Whether a value lies in the range."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        if self.at_least is None:
            return f"≤ {self.at_most:,.4g}"
        if self.at_most is None:
            return f"≥ {self.at_least:,.4g}"
        return f"{self.at_least:,.4g} to {self.at_most:,.4g}"


class Figure(BaseModel):
    """One measured number: the median of its samples. Without a target it only informs."""

    model_config = _RECORD

    name: str
    value: float
    low: float
    high: float
    samples: list[float]
    unit: str = ""
    target: Target | None = None
    basis: str = ""
    """What the number was made of, such as both rates of a ratio."""
    cause: str = ""
    """Where the time goes, for the case that the target is missed."""

    @classmethod
    def of(
        cls,
        name: str,
        samples: Sequence[float],
        *,
        unit: str = "",
        target: Target | None = None,
        basis: str = "",
        cause: str = "",
    ) -> Self:
        """The figure of these samples, one a block."""
        return cls(
            name=name,
            value=median(samples),
            low=min(samples),
            high=max(samples),
            samples=list(samples),
            unit=unit,
            target=target,
            basis=basis,
            cause=cause,
        )

    @classmethod
    def ratio(
        cls,
        name: str,
        top: tuple[str, Sequence[float]],
        bottom: tuple[str, Sequence[float]],
        *,
        unit: str,
        target: Target | None = None,
        cause: str = "",
    ) -> Self:
        """The figure of the ratios block by block; `unit` is that of both sides."""
        ratios = [a / b for a, b in zip(top[1], bottom[1], strict=True)]
        sides = [f"{side} {median(rates):,.4g} {unit}" for side, rates in (top, bottom)]
        return cls.of(name, ratios, unit="x", target=target, basis=", ".join(sides), cause=cause)

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met; empty if there is none."""
        if self.target is None:
            return ""
        return "met" if self.target.admits(self.value) else "MISSED"

    @property
    def reason(self) -> str:
        """Why a target was missed, else nothing."""
        return "; ".join(filter(None, (self.basis, self.cause))) if self.verdict == "MISSED" else ""


class Outcome(BaseModel):
    """What one scenario found, or why it was skipped."""

    model_config = _RECORD

    figures: list[Figure] = []
    facts: dict[str, int | float | str] = {}
    """How it was measured, and what else was seen."""
    skipped: str = ""


class Result(BaseModel):
    """The JSON document of one scenario."""

    model_config = _RECORD

    scenario: str
    question: str
    outcome: Outcome
    machine: Machine
    started_at: datetime
    seconds: float
    blocks: int
    rows: int
    quick: bool

    def write(self, directory: Path) -> Path:
        """Write the document as `<scenario>.json`."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.scenario}.json"
        path.write_text(self.model_dump_json(indent=2) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document in a file."""
        return cls.model_validate_json(path.read_bytes())

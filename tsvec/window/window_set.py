"""The window set: everything one query reads, fixed at one seq."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tsvec.model.collections import CollectionConfig
from tsvec.window.entities import EntityRegistry
from tsvec.window.hot import HotSlice
from tsvec.window.part import Part
from tsvec.window.sealed import SealedPart


@dataclass(frozen=True, slots=True)
class WindowSet:
    """An immutable view of a collection after change `seq`, recorded at `recorded_at` (µs)."""

    config: CollectionConfig
    history: str
    seq: int
    recorded_at: int
    sealed: tuple[SealedPart, ...]
    hot: tuple[HotSlice, ...]
    registry: EntityRegistry

    def parts(self) -> Iterator[Part]:
        """Sealed parts, then hot ones."""
        yield from self.sealed
        yield from self.hot

    def overlapping(self, start: int, end: int) -> list[Part]:
        """The parts that may hold an event time in [start, end)."""
        return [p for p in self.parts() if p.time_min < end and p.time_max >= start]

    @property
    def hot_rows(self) -> int:
        """How many points are not yet sealed."""
        return sum(part.rows for part in self.hot)

    @property
    def rows(self) -> int:
        """How many points there are."""
        return sum(part.rows for part in self.parts())

"""The window set: everything one query reads, fixed at one seq."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.collections import CollectionConfig
from tsvec.model.filters.parser import ParsedFilter
from tsvec.model.times import TIME_MIN_US
from tsvec.window.entities import EntityRegistry
from tsvec.window.hot import HotSlice
from tsvec.window.masks.cache import MaskCache
from tsvec.window.masks.row_filter import RowFilter, entities_passing
from tsvec.window.part import Part, StoredPart
from tsvec.window.sealed import SealedPart
from tsvec.window.visible import VisiblePart, is_plain


@dataclass(frozen=True, slots=True)
class WindowSet:
    """An immutable view of a collection after change `seq`; `recorded_at` (µs) is the newest.

    Points with an event time below `cutoff` (µs) have expired. `masks` remembers what filters
    let pass. Who reads it keeps to the `deadline`.
    """

    config: CollectionConfig
    history: str
    seq: int
    recorded_at: int
    sealed: tuple[SealedPart, ...]
    hot: tuple[HotSlice, ...]
    registry: EntityRegistry
    cutoff: int = TIME_MIN_US
    masks: MaskCache = field(default_factory=MaskCache, compare=False, repr=False)
    deadline: Deadline = field(default=NEVER, compare=False, repr=False)

    def at(self, seq: int) -> WindowSet:
        """The same collection as it was after an earlier change."""
        return self if seq == self.seq else replace(self, seq=seq)

    def after_cutoff(self, cutoff: int) -> WindowSet:
        """The same without what lies before a cutoff (µs)."""
        return self if cutoff == self.cutoff else replace(self, cutoff=cutoff)

    def until(self, deadline: Deadline) -> WindowSet:
        """The same to be read by a deadline."""
        return self if deadline is self.deadline else replace(self, deadline=deadline)

    def stored(self) -> Iterator[StoredPart]:
        """All that is kept, whether it is to be seen or not: sealed parts, then hot ones.

        DeadlineExceededError on the way once the deadline is past.
        """
        return self.deadline.each(chain[StoredPart](self.sealed, self.hot))

    def parts(self) -> Iterator[Part]:
        """What is to be seen: sealed parts, then hot ones."""
        seq, cutoff = self.seq, self.cutoff
        for part in self.stored():
            if part.seq_min <= seq and part.time_max >= cutoff:
                yield part if is_plain(part, seq, cutoff) else VisiblePart(part, seq, cutoff)

    def overlapping(self, start: int, end: int) -> list[Part]:
        """The parts that may show an event time in [start, end)."""
        return [p for p in self.parts() if p.time_min < end and p.time_max >= start]

    def row_filter(self, given: ParsedFilter | None) -> RowFilter | None:
        """What a filter lets pass; None if that is everything."""
        if given is None or given.is_empty:
            return None
        return RowFilter(given.predicate, self.masks)

    @property
    def hot_rows(self) -> int:
        """How many versions are not yet sealed, dead ones included."""
        return sum(part.rows for part in self.hot)

    @property
    def rows(self) -> int:
        """How many versions are kept, dead ones included."""
        return sum(part.rows for part in self.stored())

    def entities_passing(self, parsed: ParsedFilter | None) -> NDArray[np.bool_] | None:
        """By entity number: whether a filter holds of the attributes; None if all pass."""
        if parsed is None or parsed.is_empty:
            return None
        return entities_passing(self, parsed.predicate, self.masks)

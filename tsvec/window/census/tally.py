"""How many points of each entity are to be seen, and when it was seen first and last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.model.vectors import Int64Array
from tsvec.window.part import Part

_MOMENTS = 3
"""Counts remembered for one collection; each takes less than the ids themselves."""


@dataclass(frozen=True, slots=True)
class Tally:
    """By entity number: points, and the event times (µs) of the oldest and the newest of them.

    Where there are none, the oldest is the end of all times and the newest their beginning.
    """

    points: Int64Array
    first: Int64Array
    last: Int64Array

    @classmethod
    def empty(cls, count: int) -> Tally:
        """Of so many entities without points."""
        return cls(
            np.zeros(count, np.int64),
            np.full(count, TIME_MAX_US, np.int64),
            np.full(count, TIME_MIN_US, np.int64),
        )

    def widened(self, count: int) -> Tally:
        """A copy that has room for so many entities, at least as many as this one."""
        wide, size = Tally.empty(count), len(self.points)
        wide.points[:size] = self.points
        wide.first[:size] = self.first
        wide.last[:size] = self.last
        return wide

    def add(self, part: Part) -> None:
        """Count all points that a part shows."""
        rows = part.select(TIME_MIN_US, TIME_MAX_US + 1)
        numbers, times = part.entities(rows), part.times(rows)
        self.points[:] += np.bincount(numbers, minlength=len(self.points))
        np.minimum.at(self.first, numbers, times)
        np.maximum.at(self.last, numbers, times)


@dataclass(frozen=True, slots=True)
class WholeParts:
    """The sum over parts of which all is to be seen, by their names."""

    names: frozenset[str] = frozenset()
    tally: Tally = field(default_factory=lambda: Tally.empty(0))


class TallyCache:
    """What was counted of one collection: the last moments asked about, and `whole` parts."""

    def __init__(self) -> None:
        self.whole = WholeParts()
        self._lock = threading.Lock()
        self._moments: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def recall(self, moment: tuple[Any, ...]) -> Any:
        """What was counted of a moment; None if it is not remembered."""
        with self._lock:
            if moment in self._moments:
                self._moments.move_to_end(moment)
            return self._moments.get(moment)

    def remember(self, moment: tuple[Any, ...], counted: Any) -> None:
        """Keep what was counted, and forget what was not asked about for the longest time."""
        with self._lock:
            self._moments[moment] = counted
            while len(self._moments) > _MOMENTS:
                self._moments.popitem(last=False)

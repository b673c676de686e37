"""The order of entity ids: by code point, which is that of their UTF-8 bytes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array

_FEW = 4_096
"""Up to this many entities are put in order by themselves; for more, all are, and remembered."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids in order, and the place among them of each entity that was asked about."""

    ids: Sequence[str]
    places: Int64Array

    def first_from(self, text: str) -> int:
        """The place of the first id that does not come before a text."""
        return bisect_left(self.ids, text)

    def first_after(self, text: str) -> int:
        """The place of the first id that comes after a text."""
        return bisect_right(self.ids, text)

    def beginning_with(self, prefix: str) -> tuple[int, int]:
        """The places [low, high) of the ids that begin so."""
        size = len(prefix)
        low = bisect_left(self.ids, prefix)
        return low, bisect_right(self.ids, prefix, low, key=lambda text: text[:size])


class IdOrder:
    """The ids of one collection, which are given numbers as they come, in order of text.

    Putting all of them in order takes about a second a million; it is done when a question is about
    many, and again, ten times faster, when one is about entities that came since.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._known: tuple[list[int], list[str], Int64Array] = ([], [], np.empty(0, np.int64))

    def rank(self, numbers: NDArray[np.integer]) -> Ranking:
        """The places of some entity numbers among themselves, or among more of them."""
        few, inverse = np.unique(numbers, return_inverse=True)
        if len(few) > _FEW:
            names, places = self._all(int(few[-1]) + 1)
            return Ranking(names, places[numbers])
        found = [self._ids[number] for number in few.tolist()]
        order = sorted(range(len(found)), key=found.__getitem__)
        return Ranking([found[place] for place in order], _inverted(order)[inverse])

    def _all(self, count: int) -> tuple[list[str], Int64Array]:
        """At least the first `count` ids in order, and the place of each."""
        order, names, places = self._known
        if count > len(order):
            # Sorting takes advantage of what is in order already.
            order = sorted([*order, *range(len(order), count)], key=self._ids.__getitem__)
            names, places = [self._ids[number] for number in order], _inverted(order)
            self._known = order, names, places
        return names, places


def _inverted(order: Sequence[int]) -> Int64Array:
    places = np.empty(len(order), np.int64)
    places[np.array(order, np.int64)] = np.arange(len(order))
    return places

"""Counting the points of every entity that a window set shows.

It looks at every row once, about twenty milliseconds a million. What was counted is remembered: the
last few moments whole, which the pages of a list share, and the sum over partitions of which all is
to be seen, so that the next moment counts only what came since and what has deaths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsvec.window.census.tally import Tally, WholeParts
from tsvec.window.part import Part
from tsvec.window.visible import VisiblePart
from tsvec.window.window_set import WindowSet


def tally_of(windows: WindowSet) -> Tally:
    """Of all points that a window set shows; not to be changed."""
    cache, moment = windows.registry.tallies, _moment_of(windows)
    found: Tally | None = cache.recall(moment)
    if found is None:
        found = _count(windows)
        cache.remember(moment, found)
    return found


def seen_between(windows: WindowSet, start: int, end: int) -> NDArray[np.bool_]:
    """By entity number: whether a window set shows a point in [start, end) of it.

    Entities that came later, which the tally of the same moment may count, may be left out.
    """
    cache, moment = windows.registry.tallies, (*_moment_of(windows), start, end)
    found: NDArray[np.bool_] | None = cache.recall(moment)
    if found is None:
        found = np.zeros(len(windows.registry), np.bool_)
        for part in windows.deadline.each(windows.overlapping(start, end)):
            found[part.entities(part.select(start, end))] = True
        cache.remember(moment, found)
    return found


def _count(windows: WindowSet) -> Tally:
    whole: dict[str, Part] = {}
    others: list[Part] = []
    for part in windows.parts():
        if part.is_hot or isinstance(part, VisiblePart):
            others.append(part)
        else:
            whole[part.name] = part
    cache = windows.registry.tallies
    known = cache.whole
    if not known.names <= whole.keys():
        known = WholeParts()
    count = len(windows.registry)  # After what is known, which has no more than there were.
    tally = known.tally.widened(count)
    for name in windows.deadline.each(whole.keys() - known.names):
        tally.add(whole[name])
    cache.whole = WholeParts(frozenset(whole), tally)
    if others:
        tally = tally.widened(count)
    for part in windows.deadline.each(others):
        tally.add(part)
    return tally


def _moment_of(windows: WindowSet) -> tuple[int, int, int]:
    """What tells moments apart: one of the past stays as it is, however its points are arranged,
    unless partitions of it are dropped.
    """
    kept = sum(part.rows for part in windows.stored() if part.seq_max <= windows.seq)
    return windows.seq, windows.cutoff, kept

"""Finding the versions of points by what identifies them, without a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tsvec.model.vectors import Int64Array
from tsvec.window.part import Numbers, Seqs, StoredPart
from tsvec.window.window_set import WindowSet


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one part that answer questions: row `rows[i]` answers question `places[i]`."""

    part: StoredPart
    places: Int64Array
    rows: Int64Array


def find_living(
    windows: WindowSet, numbers: Numbers, times: Int64Array, keys: Sequence[str | None]
) -> list[Found]:
    """The version of each (entity number, event time, key) that lives in a window set, if any."""
    found = []
    seq = windows.seq
    for part in _reaching(windows, times):
        places, rows = part.find_versions(numbers, times)
        if len(rows) and part.seq_max > seq:
            born = part.seqs(rows) <= seq
            places, rows = places[born], rows[born]
        if len(rows) and (dead := part.dead_seqs(rows)) is not None:
            places, rows = places[dead > seq], rows[dead > seq]
        if len(rows):
            same = [keys[p] == k for p, k in zip(places.tolist(), part.keys(rows), strict=True)]
            places, rows = places[same], rows[same]
        if len(rows):
            found.append(Found(part, places, rows))
    return found


def find_by_seq(windows: WindowSet, numbers: Numbers, times: Int64Array, seqs: Seqs) -> list[Found]:
    """The version that each change made, given its entity number and event time, if it is kept."""
    found = []
    for part in _reaching(windows, times):
        asked = np.flatnonzero((seqs >= part.seq_min) & (seqs <= part.seq_max))
        if not len(asked):
            continue
        places, rows = part.find_versions(numbers[asked], times[asked])
        if len(rows):
            places = asked[places]
            same = part.seqs(rows) == seqs[places]
            if same.any():
                found.append(Found(part, places[same], rows[same]))
    return found


def _reaching(windows: WindowSet, times: Int64Array) -> list[StoredPart]:
    """The parts whose times reach into those asked for."""
    if not len(times):
        return []
    first, last = int(times.min()), int(times.max())
    return [p for p in windows.stored() if p.time_max >= first and p.time_min <= last]

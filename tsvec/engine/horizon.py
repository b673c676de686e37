"""How far back a collection can be read, and what of it has expired. Pure functions of time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import GoneError
from tsvec.model.times import TIME_MIN_US, AsOf
from tsvec.model.validation import invalid_field
from tsvec.model.vectors import Int64Array
from tsvec.storage.manifest import Manifest
from tsvec.window.part import Seqs
from tsvec.window.window_set import WindowSet


def cutoff_at(config: CollectionConfig, now_us: int) -> int:
    """The event time (µs) before which points have expired: the first instant of a window."""
    if config.retention_us is None:
        return TIME_MIN_US
    width = config.window_us
    return max(TIME_MIN_US, (now_us - config.retention_us) // width * width)


def seq_at(
    windows: WindowSet, manifest: Manifest, configured: Iterable[tuple[int, int]], time: int
) -> int:
    """The last change recorded by a time (µs), of those that are kept; 0 before the first.

    Changes are numbered in the order of their recorded times, so it is the largest one.
    """
    found = manifest.purged_seq if manifest.purged_at <= time else 0
    for part in windows.stored():
        if part.recorded_min > time:
            continue
        if part.recorded_max <= time:
            found = max(found, part.seq_max)
        elif part.seq_max > found:
            every = slice(0, part.rows)
            found = max(found, _last(part.seqs(every), part.recorded(every) <= time))
        if part.has_deaths:
            deaths = part.deaths()
            found = max(found, _last(deaths.seq, deaths.at <= time))
    found = max(found, windows.registry.attributes.last_seq_by(time))
    found = max([found, *(seq for seq, at in configured if at <= time)])
    return min(found, windows.seq)


def time_of_seq(windows: WindowSet, configured: Iterable[tuple[int, int]]) -> int | None:
    """When (µs) the last change of a window set was recorded; None if nothing of it is kept."""
    seq = windows.seq
    parts = [part for part in windows.stored() if part.seq_min <= seq]
    for part in parts:
        if part.seq_max == seq:
            return part.recorded_max
    known = [(at, n) for n, at in (*configured, *windows.registry.attributes.times()) if n <= seq]
    for part in parts:
        every = slice(0, part.rows)
        known += _latest(part.seqs(every), part.recorded(every), seq)
        if part.has_deaths:
            deaths = part.deaths()
            known += _latest(deaths.seq, deaths.at, seq)
    return max(known)[0] if known else None


def oldest_as_of(
    windows: WindowSet, manifest: Manifest, configured: Iterable[tuple[int, int]], now_us: int
) -> int:
    """The oldest change after which the collection can still be read."""
    reach = now_us - windows.config.horizon_us
    return max(manifest.purged_seq, seq_at(windows, manifest, configured, reach))


def find_past(
    windows: WindowSet,
    manifest: Manifest,
    configured: Iterable[tuple[int, int]],
    as_of: AsOf,
    times: tuple[int, int],
) -> int:
    """The change that `as_of` means; `times` are the wall clock's and that of the horizon, µs.

    InvalidRequestError for a moment still to come, GoneError for one beyond the horizon.
    """
    wall, now = times
    if as_of.seq is not None:
        if as_of.seq > windows.seq:
            problem = f"names change {as_of.seq}, but the last one is {windows.seq}"
            raise invalid_field("as_of", f"{problem}; wait for it with wait_for_seq")
        seq = as_of.seq
    else:
        time = as_of.time or 0
        if time > max(wall, windows.recorded_at):
            raise invalid_field("as_of", f"lies in the future: {as_of}")
        if time < max(now - windows.config.horizon_us, manifest.purged_at):
            raise _gone(windows, as_of)
        seq = seq_at(windows, manifest, configured, time)
    if seq < windows.seq and seq < oldest_as_of(windows, manifest, configured, now):
        raise _gone(windows, as_of)
    return seq


def _gone(windows: WindowSet, as_of: AsOf) -> GoneError:
    horizon = windows.config.history_horizon
    return GoneError(
        f"as_of: {as_of} lies beyond the history_horizon of {horizon}, for which the past is kept"
    )


def _latest(seqs: Seqs, times: Int64Array, seq: int) -> list[tuple[int, int]]:
    """The time and number of the last of these changes that is not after `seq`."""
    places = np.flatnonzero(seqs <= seq)
    if not len(places):
        return []
    last = places[np.argmax(seqs[places])]
    return [(int(times[last]), int(seqs[last]))]


def _last(seqs: Seqs, mask: NDArray[np.bool_]) -> int:
    chosen = seqs[mask]
    return int(chosen.max()) if len(chosen) else 0

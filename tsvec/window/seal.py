"""Sealing: when hot points are worth a partition."""

from __future__ import annotations

from collections.abc import Sequence

from tsvec.model.settings import Settings
from tsvec.window.hot import HotSlice

_BLOCKS_MAX = 8
"""Blocks sealed at a time, which bounds the memory a seal takes."""


def choose_sealable(
    hot: Sequence[HotSlice], block_rows: int, now_us: int, settings: Settings
) -> tuple[HotSlice, ...]:
    """The leading slices to seal now: all full blocks, or all rows once they are old and enough.

    Everything waiting goes into one partition, so that a burst makes few large files, not many
    small ones; sparse data stays hot until there is enough of it.
    """
    rows = sum(part.rows for part in hot)
    if rows >= block_rows:
        full = [part for part in hot if part.is_full][:_BLOCKS_MAX]
        return tuple(full) if sum(part.rows for part in full) >= block_rows else tuple(hot)
    old = hot and now_us - hot[0].recorded_min >= settings.seal_age_seconds * 1_000_000
    return tuple(hot) if old and rows >= settings.seal_age_rows_min else ()

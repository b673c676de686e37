"""Sealing: when hot points are worth a partition, and the sorted table it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tsvec.model.settings import Settings
from tsvec.storage.schema import partition_schema, times_to_arrow, vectors_to_arrow
from tsvec.window.entities import EntityRegistry
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


def sorted_table(parts: Sequence[HotSlice], registry: EntityRegistry, dim: int) -> pa.Table:
    """The rows of these slices as a table of `partition_schema(dim)`, by (timestamp, seq)."""
    everything = slice(0, None)
    times = np.concatenate([part.times(everything) for part in parts])
    seqs = np.concatenate([part.seqs(everything) for part in parts])
    order = np.lexsort((seqs, times))
    numbers = np.concatenate([part.entities(everything) for part in parts])[order]
    vectors = np.concatenate([part.vectors(everything) for part in parts])[order]
    recorded = np.concatenate([part.recorded(everything) for part in parts])[order]
    keys = pa.array([key for part in parts for key in part.all_keys()], pa.large_string())
    metadata = pa.array([text for part in parts for text in part.all_metadata()], pa.large_binary())
    present, place = np.unique(numbers, return_inverse=True)
    ids = pa.array([registry.id_of(number) for number in present.tolist()], pa.large_string())
    types = pa.array([registry.type_of(number) for number in present.tolist()], pa.large_string())
    columns = [
        ids.take(pa.array(place)),
        types.take(pa.array(place)),
        times_to_arrow(times[order]),
        keys.take(pa.array(order)),
        pa.array(seqs[order]),
        times_to_arrow(recorded),
        vectors_to_arrow(vectors),
        metadata.take(pa.array(order)).cast(pa.large_string()),
    ]
    return pa.Table.from_arrays(columns, schema=partition_schema(dim))

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.arrival import (
    GRID,
    LATE_SHARE,
    STREAM,
    Rows,
    lag_rows,
    late_order,
    repeat_earlier,
)
from benchmarks.data import ENTITIES

ROWS = 100_000


def test_rows_lie_in_time_as_their_timeline_says():
    stream, grid = (Rows.make(3 * ENTITIES, timeline, dim=2) for timeline in (STREAM, GRID))
    assert len(np.unique(stream.timestamp)) == 3 * ENTITIES
    instants, counts = np.unique(grid.timestamp, return_counts=True)
    assert counts.tolist() == [ENTITIES] * 3
    assert set(grid.entity[grid.timestamp == instants[1]]) == set(range(ENTITIES))
    assert len(set(zip(grid.entity.tolist(), grid.timestamp.tolist(), strict=True))) == len(grid)


@pytest.mark.parametrize("timeline", [STREAM, GRID])
def test_late_rows_arrive_beyond_the_allowed_lateness_and_none_is_lost(timeline):
    order = late_order(ROWS, timeline)
    assert np.array_equal(np.sort(order), np.arange(ROWS))
    assert np.array_equal(order, late_order(ROWS, timeline))
    newest = np.maximum.accumulate(order)
    behind = newest - order
    late = behind > 0
    # Those that would come after the last row come at the end, less late than they would have been.
    settled = order < ROWS - timeline.allowed_rows - 6 * lag_rows(ROWS)
    assert abs(late[settled].mean() - LATE_SHARE) < 0.02
    nearly = timeline.allowed_rows - 50
    assert (behind[late & settled] >= nearly).all()
    assert abs(behind[late & settled].mean() - timeline.allowed_rows - lag_rows(ROWS)) < 500


def test_repeated_rows_arrived_before():
    order = late_order(ROWS, STREAM)
    repeated = repeat_earlier(order, 0.05)
    changed = np.flatnonzero(repeated != order)
    assert abs(len(changed) / ROWS - 0.05) < 0.01
    assert all(repeated[place] in order[:place] for place in changed[:50].tolist())


def test_batches_hold_every_row_once_and_may_carry_the_vectors_of_others():
    rows = Rows.make(10, STREAM, dim=2)
    order = np.arange(10)[::-1]
    batches = rows.batches(order, 4)
    assert [len(batch["entity_id"]) for batch in batches] == [4, 4, 2]
    assert batches[0]["entity_id"][0] == "entity-0009"
    assert np.array_equal(np.concatenate([b["vector"] for b in batches]), rows.vector[::-1])
    others = rows.batches(order, 10, vectors=np.arange(10))
    assert np.array_equal(others[0]["vector"], rows.vector)

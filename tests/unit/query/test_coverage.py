"""What a window set shows, counted: against a look at every version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.contract.parts import Sample
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.coverage import count_points, measure_coverage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
HOUR = 3_600 * SECOND
VECTOR = (1.0, 0.0, 0.0, 0.0)


def micros(moment):
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def check(shelf, seq=None, cutoff=TIME_MIN_US, *, is_present=False):
    """Compare all figures with those of a look at every version."""
    seq = shelf.seq if seq is None else seq
    windows = shelf.seen(seq, cutoff)
    found = measure_coverage(windows, is_present=is_present)
    living = shelf.living(seq, cutoff)
    hot = {n for part in shelf.hot.slices() for n in part.seqs(slice(0, part.rows)).tolist()}
    width = shelf.config.window_us
    numbers = sorted({one.timestamp // width for one in living.values()})
    empty = [later - sooner - 1 for sooner, later in pairwise(numbers) if later - sooner > 1]
    times = [one.timestamp for one in living.values()]
    dead = {n for n, death in shelf.deaths.items() if death.seq <= seq}
    assert (found.points, found.hot_points) == (len(living), len(living.keys() & hot))
    assert (found.hot_points, found.sealed_points) == count_points(windows)
    assert found.dead_points == sum(shelf.given[n].timestamp >= cutoff for n in dead)
    assert found.entities == len({one.entity_id for one in living.values()})
    assert micros(found.first_time) == min(times, default=None)
    assert micros(found.last_time) == max(times, default=None)
    assert (found.windows, found.gaps) == (len(numbers), len(empty))
    assert found.largest_gap_seconds == max(empty, default=0) * width / 1e6
    return found


def with_width(shelf, size):
    shelf.config = shelf.config.model_copy(update={"window_size": size})


def test_the_figures_of_any_moment_and_cutoff(lived):
    shelf, rng = lived
    for _ in range(25):
        with_width(shelf, f"{rng.integers(1, 9)}s")
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-42, 42) * SECOND]))
        check(shelf, seq, cutoff)
    check(shelf, is_present=True)
    check(shelf, cutoff=5 * SECOND, is_present=True)


def test_figures_stay_when_all_is_sealed_and_folded(lived):
    shelf, _ = lived
    before = measure_coverage(shelf.windows, is_present=True)
    past = measure_coverage(shelf.seen(shelf.seq // 2), is_present=False)
    shelf.sealed = [shelf.seal(shelf.stored)]
    shelf.hot.drop_sealed(shelf.seq)
    after = check(shelf, is_present=True)
    assert (after.points, after.dead_points) == (before.points, before.dead_points)
    assert (after.windows, after.gaps, after.entities) == (
        before.windows,
        before.gaps,
        before.entities,
    )
    later = check(shelf, shelf.seq // 2)
    assert (later.points, later.dead_points) == (past.points, past.dead_points)


def test_nothing_is_covered_by_nothing(shelf):
    found = check(shelf(), is_present=True)
    assert (found.points, found.windows, found.gaps, found.first_time) == (0, 0, 0, None)


@pytest.mark.parametrize("is_sealed", [False, True])
def test_gaps_are_runs_of_empty_windows_between(shelf, is_sealed):
    made = shelf(metric="l2")
    hours = (0, 1, 4, 5, 30, 32)
    seqs = made.commit([Sample("a", hour * HOUR + 7, VECTOR) for hour in hours])
    if is_sealed:
        made.seal_all()
    found = check(made, is_present=True)
    assert (found.windows, found.gaps, found.largest_gap_seconds) == (6, 3, 24 * 3_600.0)
    made.delete(made.stored, seqs[1:4])
    found = check(made, is_present=True)
    assert (found.windows, found.gaps, found.largest_gap_seconds) == (3, 2, 29 * 3_600.0)
    made.delete(made.stored, [seqs[0], seqs[4], seqs[5]])
    found = check(made, is_present=True)
    assert (found.points, found.dead_points, found.entities) == (0, 6, 0)
    assert check(made, len(seqs)).gaps == 3


def test_the_ends_of_the_calendar_are_one_gap_apart(shelf):
    made = shelf(metric="l2")
    made.commit([Sample("a", time, VECTOR) for time in (TIME_MIN_US, TIME_MAX_US)])
    before = check(made, is_present=True)
    assert (before.windows, before.gaps) == (2, 1)
    made.seal_all()
    after = check(made, is_present=True)
    assert (after.windows, after.largest_gap_seconds) == (2, before.largest_gap_seconds)


def test_entities_are_counted_by_their_points_where_time_hides_some(shelf):
    """The registry counts what lives at present; the rest is seen from the points."""
    made = shelf(metric="l2")
    made.commit([Sample(name, time, VECTOR) for name, time in (("a", 1), ("b", 2), ("a", 9))])
    made.commit([Sample("c", 4, VECTOR)])
    made.delete(made.stored, [2])
    for seq, cutoff, count in ((5, TIME_MIN_US, 2), (4, TIME_MIN_US, 3), (3, 2, 2), (5, 5, 1)):
        assert check(made, seq, cutoff, is_present=seq == 5).entities == count


def test_counting_needs_no_rows_where_nothing_is_hidden(shelf, monkeypatch):
    made = shelf(metric="l2")
    made.commit([Sample("a", time, VECTOR) for time in range(20)])
    made.seal_all()
    [part] = made.sealed
    monkeypatch.setattr(part, "times", None)
    monkeypatch.setattr(part, "seqs", None)
    found = measure_coverage(made.windows, is_present=True)
    assert (found.sealed_points, found.windows) == (20, 1)
    assert np.isclose(found.last_time.timestamp(), 19e-6)

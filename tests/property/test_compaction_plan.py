"""Whatever arrives in whatever order, compaction ends, stays cheap and keeps what it promises.

Partitions are simulated as sorted event times, a state per row: nothing else decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsvec.window.compaction import (
    CompactionRules,
    Extent,
    Merge,
    choose_merge,
    count_waiting,
    cut_rows,
    most_covering,
)

STEADY = settings(settings.get_profile("property"), max_examples=60)
SEAL = 8_192
ROW_BYTES = 100
STEP_US = 1_000
"""Time between points that come in order."""

ALIVE, UNFOLDED, FOLDED, PURGEABLE = 0, 1, 2, 3
NO_CAP = 1 << 62
RULES = CompactionRules(rows_max=1 << 20, bytes_max=NO_CAP, span_max=None)


class Shelf:
    """The partitions of one collection: `times` and `states` of each by name."""

    def __init__(self, rules: CompactionRules) -> None:
        self.rules = rules
        self.times: dict[str, np.ndarray] = {}
        self.states: dict[str, np.ndarray] = {}
        self.extents: dict[str, Extent] = {}
        self.sealed = self.written = self.purged = self.made = self.most = 0
        self.rewritten: Counter[str] = Counter()

    def seal(self, times: np.ndarray) -> None:
        self.sealed += len(times)
        self.add(np.sort(times), np.zeros(len(times), dtype=np.int8))

    def add(self, times: np.ndarray, states: np.ndarray) -> None:
        self.made += 1
        self.written += len(times)
        self.times[f"p{self.made}"], self.states[f"p{self.made}"] = times, states
        self.measure(f"p{self.made}")
        self.most = max(self.most, len(self.times))

    def measure(self, name: str) -> None:
        times, counts = self.times[name], np.bincount(self.states[name], minlength=4)
        self.extents[name] = Extent(
            name,
            len(times),
            len(times) * ROW_BYTES,
            int(times[0]),
            int(times[-1]),
            unfolded=int(counts[UNFOLDED]),
            purgeable=int(counts[PURGEABLE]),
        )

    def plan(self, *, full: bool) -> Merge | None:
        return choose_merge(list(self.extents.values()), self.rules, full=full)

    def apply(self, merge: Merge) -> None:
        """What the executor does: read, purge, fold, sort, cut, write, swap."""
        check_sound(merge, self.extents, self.rules)
        times = np.concatenate([self.times.pop(name) for name in merge.names])
        states = np.concatenate([self.states.pop(name) for name in merge.names])
        for name in merge.names:
            del self.extents[name]
        self.rewritten[merge.reason] += len(times)
        order = np.argsort(times, kind="stable")
        order = order[states[order] != PURGEABLE]
        self.purged += len(times) - len(order)
        times, states = times[order], states[order]
        states[states == UNFOLDED] = FOLDED
        for piece in cut_rows(times, np.full(len(times), ROW_BYTES), merge):
            self.add(times[piece], states[piece])

    def settle(self, *, full: bool = False, steps: int = 3_000) -> int:
        """Plans and applies until there is nothing to do; the number of merges."""
        for step in range(steps):
            merge = self.plan(full=full)
            if merge is None:
                assert not full or count_waiting(list(self.extents.values()), self.rules) == 0
                return step
            if full:
                assert count_waiting(list(self.extents.values()), self.rules) >= len(merge.names)
            self.apply(merge)
        raise AssertionError("compaction does not come to an end")

    def take(self, arriving: np.ndarray, rows: int = SEAL) -> None:
        """Seals what arrives, and settles after each seal."""
        for start in range(0, len(arriving), rows):
            self.seal(arriving[start : start + rows])
            self.settle()

    @property
    def amplification(self) -> float:
        return self.written / self.sealed

    @property
    def depth(self) -> int:
        return most_covering(list(self.extents.values()))

    @property
    def rows(self) -> int:
        return sum(len(times) for times in self.times.values())

    def cells(self) -> Iterator[range]:
        """The multiples of the span limit that each partition touches."""
        for times in self.times.values():
            yield range(times[0] // self.rules.span_max, times[-1] // self.rules.span_max + 1)


def check_sound(merge: Merge, extents: dict[str, Extent], rules: CompactionRules) -> None:
    assert len(set(merge.names)) == len(merge.names)
    assert merge.names
    assert set(merge.names) <= extents.keys()
    assert (len(merge.names) == 1) == (merge.reason in {"cut", "fold"})
    assert [extents[name].time_min for name in merge.names] == sorted(
        extents[name].time_min for name in merge.names
    )
    assert merge.rows_max >= rules.rows_max
    assert merge.bytes_max >= rules.bytes_max


def bound(rows: int) -> float:
    return float(np.log(rows / SEAL) / np.log(4) + 2)


def late(rows: int, how: Callable[[np.random.Generator, int], np.ndarray]) -> np.ndarray:
    """Event times in order of arrival, 30 % of them late by as many rows as `how` says."""
    chance = np.random.default_rng(7)
    arriving = np.arange(rows) * STEP_US
    are_late = np.flatnonzero(chance.random(rows) < 0.3)
    arriving[are_late] -= (how(chance, len(are_late)) * STEP_US).astype(np.int64)
    return arriving


ARRIVALS = {
    "in order": lambda rows: np.arange(rows) * STEP_US,
    "a little late": lambda rows: late(rows, lambda chance, n: chance.random(n) * 10_000),
    "late": lambda rows: late(rows, lambda chance, n: chance.random(n) * 100_000),
    "very late": lambda rows: late(rows, lambda chance, n: chance.random(n) * 400_000),
    "exponential": lambda rows: late(rows, lambda chance, n: chance.exponential(20_000, n)),
    "long tails": lambda rows: late(rows, lambda chance, n: chance.exponential(100_000, n)),
    "one instant a day": lambda rows: np.arange(rows) // 600_000 * 86_400_000_000,
}


@pytest.mark.parametrize(("rows", "rows_max"), [(150_000, 1 << 20), (1_500_000, 1 << 17)])
@pytest.mark.parametrize("arrival", ARRIVALS)
def test_rows_are_rewritten_a_logarithmic_number_of_times(arrival, rows, rows_max):
    shelf = Shelf(replace(RULES, rows_max=rows_max))
    shelf.take(ARRIVALS[arrival](rows))
    assert shelf.amplification <= bound(rows)
    shelf.settle(full=True)
    assert shelf.amplification <= bound(rows)
    assert shelf.rows == rows
    check_tidy(shelf)


@pytest.mark.parametrize("arrival", ["late", "exponential"])
def test_millions_of_rows_cost_no_more(arrival):
    shelf = Shelf(RULES)
    shelf.take(ARRIVALS[arrival](4_000_000))
    shelf.settle(full=True)
    assert shelf.amplification <= bound(4_000_000) - 1
    assert len(shelf.times) <= 12
    check_tidy(shelf)


def check_tidy(shelf: Shelf) -> None:
    """At most two partitions cover an instant, unless one instant alone fills several."""
    extents, rules = list(shelf.extents.values()), shelf.rules
    full_instants = Counter(
        extent.time_min
        for extent in extents
        if extent.time_min == extent.time_max
        and 2.1 * max(extent.rows / rules.rows_max, extent.bytes / rules.bytes_max) > 1
    )
    for instant in {extent.time_min for extent in extents}:
        over = sum(extent.time_min <= instant <= extent.time_max for extent in extents)
        assert over <= 2 or over - full_instants[instant] + 1 <= 2
    assert shelf.plan(full=False) is None, "what is tidy leaves nothing for the background"
    assert count_waiting(extents, rules) == 0


@pytest.mark.parametrize(("rows_max", "most"), [(1 << 20, 5.0), (1 << 17, 6.5)])
def test_random_order_ends_tidy_too_but_costs_more_once_runs_exceed_the_cap(rows_max, most):
    shelf = Shelf(replace(RULES, rows_max=rows_max))
    shelf.take(np.random.default_rng(3).permutation(2_000_000) * STEP_US)
    assert shelf.depth <= 12
    shelf.settle(full=True)
    assert shelf.amplification <= most
    check_tidy(shelf)


def test_a_full_compaction_of_an_untended_collection_rewrites_each_row_about_twice():
    shelf = Shelf(RULES)
    arriving = ARRIVALS["exponential"](1_000_000)
    for start in range(0, len(arriving), SEAL):
        shelf.seal(arriving[start : start + SEAL])
    assert shelf.depth > 10
    shelf.settle(full=True)
    assert shelf.amplification <= 3.5
    check_tidy(shelf)


@pytest.mark.parametrize("seal", [1_024, 3_000, 8_191, 16_384, 65_536])
def test_seals_of_any_size_cost_what_their_number_costs(seal):
    shelf = Shelf(RULES)
    shelf.take(ARRIVALS["late"](500_000), seal)
    shelf.settle(full=True)
    assert shelf.amplification <= np.log(500_000 / min(seal, SEAL)) / np.log(4) + 2


@pytest.mark.parametrize(
    ("arrival", "rows"),
    [
        (arrival, rows)
        for arrival in ("in order", "late", "exponential", "long tails", "random")
        for rows in (40_000, 500_000)
        if (arrival, rows) != ("long tails", 40_000)  # seals across hundreds of multiples
    ],
)
def test_with_a_span_limit_no_partition_is_left_across_a_multiple_of_it(arrival, rows):
    span = rows * STEP_US // 16 + 7
    shelf = Shelf(replace(RULES, span_max=span))
    shuffled = np.random.default_rng(5).permutation(rows) * STEP_US
    shelf.take(shuffled if arrival == "random" else ARRIVALS[arrival](rows))
    # What is across a multiple in the background was sealed lately and will be merged soon.
    newest = max(cells[-1] for cells in shelf.cells())
    assert all(len(cells) == 1 or cells[-1] == newest for cells in shelf.cells())
    shelf.settle(full=True)
    assert all(len(cells) == 1 for cells in shelf.cells())
    assert shelf.amplification <= bound(rows) + 1
    assert shelf.rewritten["cut"] <= rows
    check_tidy(shelf)


def test_deletes_are_folded_and_purged_without_writing_much():
    shelf = Shelf(RULES)
    chance = np.random.default_rng(11)
    arriving = ARRIVALS["late"](600_000)
    for start in range(0, len(arriving), SEAL):
        shelf.seal(arriving[start : start + SEAL])
        for name, states in shelf.states.items():
            states[(states == ALIVE) & (chance.random(len(states)) < 0.01)] = UNFOLDED
            states[(states == FOLDED) & (chance.random(len(states)) < 0.05)] = PURGEABLE
            shelf.measure(name)
        shelf.settle()
        for extent in shelf.extents.values():
            assert extent.unfolded <= max(1_024, 0.10 * extent.rows)
            assert extent.purgeable <= 0.25 * extent.rows
    assert shelf.purged > 10_000
    shelf.settle(full=True)
    assert not any(extent.unfolded or extent.purgeable for extent in shelf.extents.values())
    assert shelf.rows + shelf.purged == 600_000
    assert shelf.amplification <= bound(600_000) + 3
    check_tidy(shelf)


def test_the_cap_rises_before_there_are_too_many_partitions():
    """As many partitions of the cap as a collection may have would hold a fourth of these rows."""
    rules = CompactionRules(
        rows_base=8, rows_max=32, bytes_max=NO_CAP, span_max=None, partitions_max=100
    )
    shelf = Shelf(rules)
    shelf.take(np.arange(12_000) * STEP_US, rows=16)
    assert shelf.most <= 80
    assert shelf.amplification <= np.log(12_000 / 8) / np.log(4) + 2
    shelf.settle(full=True)
    assert shelf.most <= 80
    check_tidy(shelf)


def test_late_data_in_a_crowd_stays_within_the_number_of_partitions():
    rules = CompactionRules(
        rows_base=8, rows_max=32, bytes_max=NO_CAP, span_max=None, partitions_max=100
    )
    shelf = Shelf(rules)
    shelf.take(late(8_000, lambda chance, n: chance.exponential(200, n)), rows=16)
    shelf.settle(full=True)
    assert shelf.most <= 100
    check_tidy(shelf)


def test_scattered_rows_cannot_shatter_a_collection():
    """Rows each in a span of its own, far more than there may be partitions."""
    rules = replace(RULES, span_max=1_000, partitions_max=200)
    shelf = Shelf(rules)
    chance = np.random.default_rng(2)
    for _ in range(4):
        shelf.seal(chance.integers(0, 10**12, 500))
        shelf.settle()
        shelf.settle(full=True)
    assert shelf.most <= 200
    assert shelf.rows == 2_000


def test_a_wrong_clock_in_one_row_keeps_no_other_row_from_being_cut():
    shelf = Shelf(replace(RULES, span_max=100 * STEP_US))
    shelf.seal(np.append(np.arange(1_000) * STEP_US, 2**60))
    shelf.settle(full=True)
    assert all(len(cells) == 1 for cells in shelf.cells())
    assert len(shelf.times) == 11


@st.composite
def shelves(draw):
    """A few partitions of few rows over few instants, under rules as small."""
    rules = CompactionRules(
        rows_base=draw(st.sampled_from((1, 4, 16))),
        rows_max=draw(st.sampled_from((3, 8, 50))),
        bytes_max=ROW_BYTES * draw(st.sampled_from((2, 5, 1_000))),
        span_max=draw(st.sampled_from((None, 1, 7, 40))),
        partitions_max=draw(st.sampled_from((16, 40, 1_000))),
    )
    shelf = Shelf(rules)
    for _ in range(draw(st.integers(0, 40))):
        low, width = draw(st.integers(-60, 60)), draw(st.sampled_from((0, 0, 1, 5, 30, 120)))
        times = draw(st.lists(st.integers(low, low + width), min_size=1, max_size=12))
        shelf.seal(np.array(times))
        name = f"p{shelf.made}"
        shelf.states[name][: draw(st.integers(0, 3))] = draw(st.sampled_from((0, 1, 3)))
        shelf.measure(name)
    return shelf


@STEADY
@given(shelves())
def test_whatever_there_is_compaction_ends_and_keeps_every_row(shelf):
    every = np.sort(np.concatenate([[0], *shelf.times.values()]))
    purgeable = sum(extent.purgeable for extent in shelf.extents.values())
    shelf.settle(steps=500)
    shelf.settle(full=True, steps=500)
    check_tidy(shelf)
    kept = np.sort(np.concatenate([[0], *shelf.times.values()]))
    assert len(every) - len(kept) == shelf.purged == purgeable
    assert not Counter(kept.tolist()) - Counter(every.tolist())
    assert not any(extent.unfolded or extent.purgeable for extent in shelf.extents.values())
    if shelf.rules.span_max and shelf.most <= 0.8 * shelf.rules.partitions_max:
        assert all(len(cells) == 1 for cells in shelf.cells())


@st.composite
def runs(draw):
    groups = draw(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9)), max_size=30))
    times = np.sort(np.repeat([t for t, _ in groups], [n for _, n in groups]).astype(np.int64))
    sizes = st.lists(st.integers(1, 40), min_size=len(times), max_size=len(times))
    merge = Merge(
        ("a", "b"),
        "overlap",
        rows_max=draw(st.integers(1, 30)),
        bytes_max=draw(st.integers(1, 300)),
        span_max=draw(st.sampled_from((None, 1, 7, 60))),
        cuts_max=100,
    )
    return times, np.array(draw(sizes), dtype=np.int64), merge


@STEADY
@given(runs())
def test_rows_are_cut_into_pieces_that_cover_them_in_order(run):
    times, sizes, merge = run
    pieces = cut_rows(times, sizes, merge)
    assert [row for piece in pieces for row in range(len(times))[piece]] == [*range(len(times))]
    for piece in pieces:
        rows = len(times[piece])
        assert 1 <= rows <= merge.rows_max
        assert rows == 1 or sizes[piece].sum() <= merge.bytes_max
        assert len(np.unique(times[piece] // (merge.span_max or 1_000))) <= 2 - bool(merge.span_max)
    for instant, rows in Counter(times.tolist()).items():
        held = [piece for piece in pieces if instant in times[piece]]
        if rows <= merge.rows_max and sizes[times == instant].sum() <= merge.bytes_max:
            assert len(held) == 1
        else:
            assert all(set(times[piece].tolist()) == {instant} for piece in held)

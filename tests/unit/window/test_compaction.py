"""Each rule of compaction by itself, on a few partitions made by hand."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tsvec.window.compaction import (
    CompactionRules,
    Extent,
    Merge,
    choose_merge,
    count_waiting,
    cut_rows,
    most_covering,
)

BASE = 8_192
CAP = 1 << 20
NO_CAP = 1 << 62
RULES = CompactionRules(rows_max=CAP, bytes_max=NO_CAP, span_max=None)


def extent(name: str, span: tuple[int, int], rows: int = BASE, **more: int) -> Extent:
    return Extent(name, rows, more.pop("bytes", rows * 100), *span, **more)


def chain(count: int, rows: int = BASE, first: int = 0) -> list[Extent]:
    """Partitions one after another, called by their numbers."""
    return [extent(str(i), (100 * i, 100 * i + 90), rows) for i in range(first, first + count)]


def stack(count: int, rows: int = BASE) -> list[Extent]:
    """Partitions over one another, none of them over the same span."""
    return [extent(f"s{i}", (i, 1_000 + i), rows) for i in range(count)]


def names(extents: list[Extent], *, full: bool = False, rules: CompactionRules = RULES):
    merge = choose_merge(extents, rules, full=full)
    return merge and (merge.reason, merge.names)


def waits(extents: list[Extent], rules: CompactionRules = RULES) -> bool:
    return choose_merge(extents, rules, full=False) is None


# What is merged in the background


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("extents", [[], chain(1), chain(3), stack(2)])
def test_few_partitions_are_left_alone(extents, full):
    assert choose_merge(extents, RULES, full=full) is None
    assert count_waiting(extents, RULES) == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_four_neighbours_of_one_level_are_merged_in_order_of_time(order):
    extents = chain(4)
    assert names([extents[i] for i in order]) == ("neighbours", ("0", "1", "2", "3"))


def test_neighbours_of_several_levels_wait():
    assert waits([*chain(3), *chain(3, 4 * BASE, first=3), *chain(3, 16 * BASE, first=6)])


def test_a_higher_level_in_between_keeps_neighbours_apart():
    between = extent("large", (150, 160), 4 * BASE)
    assert waits([*chain(2), between, *chain(2, first=2)])


def test_a_higher_level_that_begins_before_does_not():
    around = extent("large", (-10, 10_000), 40 * BASE)
    assert names([around, *chain(4)]) == ("neighbours", ("0", "1", "2", "3"))


def test_lower_levels_in_between_are_taken_along():
    low = extent("low", (150, 160), 1_000)
    merged = names([*chain(2, 4 * BASE), low, *chain(2, 4 * BASE, first=2)])
    assert merged == ("neighbours", ("0", "1", "low", "2", "3"))
    before = extent("before", (-10, -5), 1_000)
    assert names([before, *chain(4, 4 * BASE)]) == ("neighbours", ("0", "1", "2", "3"))


def test_the_lowest_level_goes_first():
    extents = [*chain(4, 16 * BASE), *chain(4, first=4)]
    assert names(extents) == ("neighbours", ("4", "5", "6", "7"))


def test_sizes_need_not_be_equal_to_be_of_one_level():
    sizes = [BASE, BASE - 1, BASE // 2, BASE + 8_000]
    extents = [replace(e, rows=n) for e, n in zip(chain(4), sizes, strict=True)]
    assert names(extents) == ("neighbours", ("0", "1", "2", "3"))


def test_a_backlog_is_merged_many_at_a_time():
    assert len(choose_merge(chain(40), RULES, full=False).names) == 16


@pytest.mark.parametrize("measure", ["rows", "bytes"])
def test_neighbours_too_large_for_one_partition_wait(measure):
    rules = replace(RULES, **{f"{measure}_max": 1_000_000})
    extents = [extent(str(i), (i, i), 240_000, bytes=240_000) for i in range(4)]
    assert names(extents, rules=rules) == ("neighbours", ("0", "1", "2", "3"))
    larger = [replace(each, rows=600_000, bytes=600_000) for each in chain(4)]
    assert waits(larger, rules)


def test_fewer_are_merged_where_four_are_too_large():
    rules = replace(RULES, rows_max=100_000)
    assert names(chain(4, 33_000), rules=rules) == ("neighbours", ("0", "1", "2"))
    assert names(chain(4, 45_000), rules=rules) == ("neighbours", ("0", "1"))
    assert waits(chain(3, 33_000), rules), "as many as the fan-out have to wait for it"
    uneven = [replace(e, rows=n) for e, n in zip(chain(4), (60_000, 20_000) * 2, strict=True)]
    assert waits(uneven, rules), "the larger would be rewritten for a third more"


def test_four_of_one_level_over_an_instant_are_merged():
    assert waits(stack(3))
    assert names(stack(4)) == ("overlap", ("s0", "s1", "s2", "s3"))


def test_touching_is_covering():
    extents = [extent("a", (0, 5)), extent("b", (1, 5)), extent("c", (5, 9)), extent("d", (5, 7))]
    assert names(extents) == ("overlap", ("a", "b", "d", "c"))
    assert most_covering(extents) == 4


def test_lower_levels_over_that_instant_are_taken_along_and_higher_ones_not():
    extents = [
        *stack(4, 4 * BASE),
        extent("low", (500, 600), 1_000),
        extent("aside", (2_000, 2_100), 1_000),
        extent("high", (0, 5_000), 64 * BASE),
    ]
    reason, merged = names(extents)
    assert reason == "overlap"
    assert set(merged) in ({"s0", "s1", "s2", "s3"}, {"s0", "s1", "s2", "s3", "low"})
    covered = [replace(each, time_min=510 + i) for i, each in enumerate(extents[:4])]
    assert set(names([*covered, *extents[4:]])[1]) == {"s0", "s1", "s2", "s3", "low"}


def test_overlaps_are_merged_even_if_they_need_several_partitions():
    merge = choose_merge(stack(4, CAP), RULES, full=False)
    assert (merge.reason, merge.rows_max) == ("overlap", CAP)


def test_one_merge_reads_no_more_than_eight_caps():
    assert len(choose_merge(stack(20, CAP), RULES, full=False).names) == 8
    assert len(choose_merge(stack(20, CAP), RULES, full=True).names) == 8


# A full compaction


def test_all_but_the_largest_over_an_instant_are_merged_in_full():
    extents = [extent("large", (0, 2_000), 10 * BASE), *stack(3)]
    assert waits(extents)
    assert names(extents, full=True) == ("overlap", ("s0", "s1", "s2"))
    assert count_waiting(extents, RULES) == 3


def test_the_deepest_place_goes_first():
    aside = [replace(each, name=f"a{i}") for i, each in enumerate(stack(3))]
    deeper = [
        extent(f"s{i}", (9_000 + i, 10_000 + i), 4 * BASE * 4**i)  # of four levels
        for i in range(4)
    ]
    merge = choose_merge([*aside, *deeper], RULES, full=True)
    assert merge.names == ("s0", "s1", "s2")
    assert count_waiting([*aside, *deeper], RULES) == 2 + 3


def test_two_over_an_instant_may_stay():
    extents = [extent(str(i), (10 * i, 10 * i + 10)) for i in range(3)]
    assert most_covering(extents) == 2
    assert choose_merge(extents, RULES, full=True) is None


def test_an_instant_that_fills_several_partitions_counts_once():
    full = [extent(f"f{i}", (50, 50), 600_000) for i in range(5)]
    around = extent("around", (0, 100), 600_000)
    assert choose_merge(full, RULES, full=True) is None
    assert choose_merge([*full, around], RULES, full=True) is None
    late = extent("late", (50, 80))
    assert names([*full, around, late], full=True) == ("overlap", ("around", "late"))


def test_halves_of_an_instant_that_fit_together_are_merged():
    extents = [extent(f"h{i}", (50, 50), CAP // 3) for i in range(4)]
    assert names(extents) is not None
    assert names(extents[:3], full=True) is not None


# Folding


@pytest.mark.parametrize(
    ("rows", "unfolded", "purgeable", "worth"),
    [
        (BASE, 1_023, 0, False),
        (BASE, 1_024, 0, True),
        (100_000, 10_000, 0, False),
        (100_000, 10_001, 0, True),
        (1_000, 500, 0, False),
        (100_000, 0, 25_000, False),
        (100_000, 0, 25_001, True),
        (4, 0, 2, True),
        (4, 1, 0, False),
    ],
)
def test_deaths_are_folded_once_they_are_many_and_in_full_always(rows, unfolded, purgeable, worth):
    extents = [extent("a", (0, 1), rows, unfolded=unfolded, purgeable=purgeable)]
    assert names(extents) == (("fold", ("a",)) if worth else None)
    assert names(extents, full=True) == ("fold", ("a",))
    assert count_waiting(extents, RULES) == 1


def test_the_worst_is_folded_first_and_merging_goes_before():
    extents = [
        extent("bad", (0, 1), unfolded=2_000),
        extent("worse", (2, 3), 100 * BASE, unfolded=300_000),
    ]
    assert names(extents) == ("fold", ("worse",))
    assert names([*extents, *chain(4, first=7)])[0] == "neighbours"


# Limits of span


SPANNED = replace(RULES, span_max=1_000)


def test_a_span_limit_keeps_neighbours_apart():
    extents = [extent(str(i), (250 * i, 250 * i + 100)) for i in range(2, 6)]
    assert names(extents) == ("neighbours", ("2", "3", "4", "5"))
    assert waits(extents, SPANNED)
    within = [extent(str(i), (200 * i, 200 * i + 100)) for i in range(5)]
    assert names(within, rules=SPANNED) == ("neighbours", ("0", "1", "2", "3"))


def test_what_crosses_a_multiple_is_cut_once_newer_data_has_come():
    crossing = extent("x", (-10, 10))
    assert waits([crossing, extent("same", (500, 600))], SPANNED)
    later = [crossing, extent("newer", (1_000, 1_100))]
    assert names(later, rules=SPANNED) == ("cut", ("x",))
    assert waits(later)


def test_what_crosses_a_multiple_is_cut_in_full():
    merge = choose_merge([extent("x", (-10, 10))], SPANNED, full=True)
    assert merge == Merge(("x",), "cut", CAP, NO_CAP, 1_000, 62)
    assert count_waiting([extent("x", (-10, 10))], SPANNED) == 1
    assert choose_merge([extent("x", (0, 999))], SPANNED, full=True) is None


# Many partitions


def test_beyond_three_quarters_the_cap_rises_for_the_cheapest_neighbours():
    extents = [replace(each, rows=CAP - i) for i, each in enumerate(chain(751))]
    assert waits(extents[:750])
    merge = choose_merge(extents, RULES, full=False)
    assert merge.names == ("747", "748", "749", "750")
    assert merge.rows_max == sum(CAP - i for i in range(747, 751))
    assert len(cut_rows(np.arange(100), np.ones(100, dtype=np.int64), merge)) == 1


def test_what_was_merged_beyond_the_cap_is_not_cut_up_again():
    extents = [extent("huge", (0, 2_000), 5 * CAP), *stack(4, 5 * CAP)]
    assert choose_merge(extents, RULES, full=False).rows_max == 5 * CAP


def test_beyond_nine_tenths_any_neighbours_are_merged():
    extents = [extent(str(i), (1_000 * i, 1_000 * i)) for i in range(901)]
    assert waits(extents[:900], SPANNED)
    merge = choose_merge(extents, SPANNED, full=False)
    assert (merge.names, merge.span_max) == (("0", "1", "2", "3"), None)


def test_beyond_four_fifths_nothing_is_cut():
    extents = [extent(str(i), (1_000 * i, 1_000 * i)) for i in range(800)]
    extents[7] = extent("x", (6_999, 7_000))
    assert names(extents, rules=SPANNED) == ("cut", ("x",))
    more = [*extents, extent("more", (-1_000, -1_000))]
    assert waits(more, SPANNED)


# Speed


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("width", [1_000, 10_000_000, 1_000_000_000])
def test_a_thousand_partitions_are_planned_in_a_moment(width, full):
    chance = np.random.default_rng(0)
    starts, sizes = chance.integers(0, 10**9, 1_000), chance.integers(1_000, 3 * CAP, 1_000)
    extents = [
        extent(str(i), (low, low + width), rows)
        for i, (low, rows) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True))
    ]
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        assert choose_merge(extents, RULES, full=full) is not None
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.01


# Cutting


def cut(times, *, rows_max=10, bytes_max=NO_CAP, span_max=None, cuts_max=62, sizes=None):
    merge = Merge(("a",), "overlap", rows_max, bytes_max, span_max, cuts_max)
    times = np.array(times, dtype=np.int64)
    sizes = np.ones(len(times), dtype=np.int64) if sizes is None else np.array(sizes)
    return [(piece.start, piece.stop) for piece in cut_rows(times, sizes, merge)]


def test_nothing_is_cut_into_nothing():
    assert cut([]) == []


def test_what_fits_stays_whole():
    assert cut(range(10)) == [(0, 10)]


@pytest.mark.parametrize(("rows", "sizes"), [(11, [6, 5]), (21, [7, 7, 7]), (40, [10] * 4)])
def test_pieces_are_few_and_even(rows, sizes):
    assert [stop - start for start, stop in cut(range(rows))] == sizes


def test_bytes_count_as_rows_do():
    assert cut(range(6), bytes_max=30, sizes=[10] * 6) == [(0, 3), (3, 6)]
    assert cut(range(4), bytes_max=30, sizes=[30, 1, 1, 28]) == [(0, 1), (1, 4)]


def test_a_row_beyond_the_cap_is_a_piece_of_its_own():
    assert cut(range(3), bytes_max=30, sizes=[5, 90, 5]) == [(0, 1), (1, 2), (2, 3)]


def test_rows_of_one_instant_stay_together_if_they_fit():
    times = [0, 1, 2, *[3] * 9, 4, 5]
    assert cut(times) == [(0, 3), (3, 12), (12, 14)]
    assert cut([*[0] * 6, *[1] * 6, *[2] * 6]) == [(0, 6), (6, 12), (12, 18)]


def test_rows_of_one_instant_that_do_not_fit_share_their_pieces_with_no_other():
    assert cut([0, *[5] * 21, 9]) == [(0, 1), (1, 8), (8, 15), (15, 22), (22, 23)]


def test_pieces_end_at_multiples_of_the_span_counted_from_1970():
    assert cut([-11, -10, -1, 0, 9, 10, 35], span_max=10) == [
        (0, 1),
        (1, 3),
        (3, 5),
        (5, 6),
        (6, 7),
    ]


def test_too_many_spans_share_pieces():
    pieces = cut(range(0, 1_000, 10), rows_max=1_000, span_max=10, cuts_max=4)
    assert len(pieces) == 5
    assert pieces[0][0] == 0
    assert pieces[-1][1] == 100

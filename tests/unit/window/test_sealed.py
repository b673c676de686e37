"""A sealed part: entities by their place in a dictionary of bytes, and nothing read in vain."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Holding, Sample, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.entities import EntityRegistry
from tsvec.window.sealed import SealedPart


@pytest.fixture
def holding(tmp_path):
    made = Holding(tmp_path)
    made.commit(random_samples(80))
    return made


def test_rows_are_in_order_of_time_and_seq(holding):
    part = holding.seal(holding.hot.slices())
    everything = slice(0, part.rows)
    places = list(zip(part.times(everything).tolist(), part.seqs(everything).tolist(), strict=True))
    assert places == sorted(places)
    assert (part.time_min, part.time_max) == (places[0][0], places[-1][0])


def test_numbers_are_those_of_the_registry_whatever_the_order_of_names(tmp_path):
    holding = Holding(tmp_path)
    names = [f"e{number * 7_919 % 300}" for number in range(300)]
    holding.commit([Sample(name, 300 - row, (1.0,) * 4) for row, name in enumerate(names)])
    part = holding.seal(holding.hot.slices())
    for row, number in enumerate(part.entities(slice(0, 300)).tolist()):
        assert names[number] == part.entity_id(row) == holding.registry.id_of(number)
    for name in names:
        [row] = part.rows_of(name, TIME_MIN_US, TIME_MAX_US + 1).tolist()
        assert part.entity_id(row) == name


def test_an_entity_the_registry_does_not_know_is_a_fault(holding):
    part = holding.seal(holding.hot.slices())
    stranger = SealedPart(part.entry, part._lazy, EntityRegistry())
    with pytest.raises(AssertionError, match="unknown to the registry"):
        stranger.entities(slice(0, 1))


def test_a_selection_outside_or_around_reads_no_times(holding, monkeypatch):
    part = holding.seal(holding.hot.slices())

    def refuse(*_):
        raise AssertionError("read")

    monkeypatch.setattr(part._columns, "slice", refuse)
    monkeypatch.setattr(part._columns, "take", refuse)
    assert part.select(TIME_MIN_US, TIME_MAX_US + 1) == slice(0, 80)
    assert part.select(part.time_min, part.time_max + 1) == slice(0, 80)
    assert part.select(part.time_max + 1, TIME_MAX_US) == slice(0, 0)
    assert part.select(TIME_MIN_US, part.time_min) == slice(0, 0)


def test_unit_vectors_are_not_stored_twice(tmp_path):
    sizes = {}
    for unit in (True, False):
        holding = Holding(tmp_path / str(unit), dim=64)
        holding.commit(random_samples(64, dim=64, unit=unit))
        part = holding.seal(holding.hot.slices())
        sizes[unit] = part.entry.columns.size
        assert np.shares_memory(part.vectors(slice(0, 9)), part.scan_vectors(slice(0, 9))) == unit
    assert sizes[False] - sizes[True] == 64 * 64 * 4


def test_a_part_without_keys_has_none(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", 1, (1.0,) * 4), Sample("b", 2, (1.0,) * 4)])
    part = holding.seal(holding.hot.slices())
    assert part.keys(np.array([1, 0])) == [None, None]


def test_times_at_the_ends_of_the_calendar(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", time, (1.0,) * 4) for time in (TIME_MAX_US, 0, TIME_MIN_US)])
    part = holding.seal(holding.hot.slices())
    assert part.times(slice(0, 3)).tolist() == [TIME_MIN_US, 0, TIME_MAX_US]
    assert part.select(TIME_MIN_US, TIME_MAX_US) == slice(0, 2)
    assert part.select(TIME_MAX_US, TIME_MAX_US + 1) == slice(2, 3)


def test_deaths_of_the_files_and_deaths_since_are_one(holding):
    holding.delete(holding.hot.slices(), [5, 70])
    part = holding.seal(holding.hot.slices())
    assert (part.entry.dead_rows, part.has_deaths, part.death_marks) == (2, True, 0)
    assert part.unfolded.unsaved_from is None
    holding.delete([part], [9, 2, 33])
    assert (part.death_marks, part.unfolded.unsaved_from) == (3, 83)
    found = part.deaths()
    told = dict(zip(part.seqs(found.row).tolist(), found.seq.tolist(), strict=True))
    assert told == {5: 81, 70: 82, 9: 83, 2: 84, 33: 85}
    assert sorted(part.unfolded.entries().seq.tolist()) == [83, 84, 85]


def test_a_part_without_deaths_has_none(holding):
    part = holding.seal(holding.hot.slices())
    assert not part.has_deaths
    assert part.dead_seqs(slice(0, 80)) is part.dead_seqs(np.arange(9)) is None
    assert len(part.deaths().row) == 0


def test_versions_at_the_ends_of_the_calendar_and_beyond_the_part(tmp_path):
    holding = Holding(tmp_path)
    times = [TIME_MIN_US, -1, 0, TIME_MAX_US]
    holding.commit([Sample(name, time, (1.0,) * 4) for time in times for name in "ab"])
    holding.commit([Sample("c", 0, (1.0,) * 4)])
    ends = holding.seal(holding.hot.slices())
    inner = Holding(tmp_path / "inner")
    inner.commit([Sample("a", time, (1.0,) * 4) for time in (-1, 0)])
    middle = inner.seal(inner.hot.slices())
    for part in (ends, middle):
        known = list(range(len(part._registry)))
        numbers = np.repeat(np.array([*known, 2**32 - 1], np.uint32), len(times))
        asked = np.tile(np.array(times, np.int64), len(known) + 1)
        places, rows = part.find_versions(numbers, asked)
        assert (part.entities(rows) == numbers[places]).all()
        assert (part.times(rows) == asked[places]).all()
        assert sorted(rows.tolist()) == list(range(part.rows))


def test_an_entity_that_came_after_the_partition_is_not_in_it(holding):
    part = holding.seal(holding.hot.slices())
    holding.commit([Sample("late", time * 1_000_000, (1.0,) * 4) for time in range(-40, 40)])
    number = holding.registry.number_of("late")
    times = np.arange(-40, 40) * 1_000_000
    assert len(part.find_versions(np.full(80, number, np.uint32), times)[0]) == 0


@pytest.mark.parametrize("width", [1, 7_000_000, 1_000_000, 10**12])
def test_the_windows_that_hold_rows(holding, width):
    part = holding.seal(holding.hot.slices())
    expected = sorted({sample.timestamp // width for sample in holding.given.values()})
    assert part.windows_of(width).tolist() == expected
    assert part.windows_of(width) is part.windows_of(width)
    assert part.windows_of(3).tolist() == sorted({t // 3 for t in part.times(slice(0, 80))})
    assert part.windows_of(width).tolist() == expected

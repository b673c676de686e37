"""What every part of a window set promises, whichever kind it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.contract.parts import Holding, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.part import ALIVE, count_rows
from tsvec.window.visible import VisiblePart

ROWS = 120
BATCH = 20
KINDS = ("hot", "hot in order", "hot, begun in mid block", "hot, unit vectors", "sealed")
KINDS += ("sealed, unit vectors", "sealed, of several slices", "hot, some dead")
KINDS += ("hot, begun in mid block, some dead", "sealed, some dead", "sealed, some died since")
KINDS += ("sealed, some dead, some died since", "sealed, of several slices, some dead")
VIEWS = ("stored", "while it grew", "at the end", "between the last deaths", "after a cutoff")


class Case:
    """A part, the points it holds and those it shows, by seq.

    Of some that are dead, some died when not all points were there, some afterwards.
    """

    def __init__(self, kind, directory):
        holding = Holding(directory, block_rows=50 if "several" in kind else 1_000)
        samples = random_samples(ROWS, unit="unit" in kind, ordered="order" in kind)
        rng = np.random.default_rng(7)
        for begin in range(0, ROWS, BATCH):
            holding.commit(samples[begin : begin + BATCH])
            if "some dead" in kind:
                self.bury(holding, holding.hot.slices(), rng)
        first = 0
        if "mid" in kind:
            first = 2 * BATCH + 3
            holding.hot.drop_sealed(first)
        slices = holding.hot.slices()
        self.part = holding.seal(slices) if "sealed" in kind else slices[0]
        if "died since" in kind:
            for _ in range(3):
                self.bury(holding, [self.part], rng)
        self.holding, self.registry, self.stored = holding, holding.registry, self.part
        self.samples = {seq: one for seq, one in holding.given.items() if seq > first}
        self.shown = dict(self.samples)

    @staticmethod
    def bury(holding, parts, rng):
        living = sorted(holding.living())
        holding.delete(parts, rng.choice(living, 5, replace=False).tolist())

    def seen(self, view):
        """The same part as one window set shows it."""
        seq, cutoff = self.holding.seq, TIME_MIN_US
        if view == "stored":
            return self
        if view == "while it grew":
            seq = sorted(self.samples)[len(self.samples) // 2]
        if view == "between the last deaths" and self.holding.deaths:
            seq -= 7
        if view == "after a cutoff":
            cutoff = 5_000_000
        case = object.__new__(Case)
        case.__dict__ |= self.__dict__
        case.part = VisiblePart(self.stored, seq, cutoff)
        living = self.holding.living(seq, cutoff)
        case.shown = {seq: one for seq, one in self.samples.items() if seq in living}
        return case

    @property
    def everything(self):
        return slice(0, self.part.rows)

    def seqs(self, rows):
        return self.part.seqs(rows).tolist()


@pytest.fixture(scope="module", params=KINDS)
def stored(request, tmp_path_factory):
    return Case(request.param, tmp_path_factory.mktemp("part"))


@pytest.fixture(scope="module", params=VIEWS)
def case(request, stored):
    return stored.seen(request.param)


def test_it_holds_each_point_once(case):
    assert case.part.rows == len(case.samples)
    assert sorted(case.seqs(case.everything)) == sorted(case.samples)
    assert case.part.is_hot == case.part.name.startswith("hot-")


def test_its_columns_say_of_each_row_what_was_given(case):
    part, rows = case.part, np.arange(case.part.rows)
    columns = zip(
        case.seqs(case.everything),
        part.times(case.everything).tolist(),
        part.recorded(case.everything).tolist(),
        part.vectors(case.everything).tolist(),
        part.entities(case.everything).tolist(),
        part.metadata(rows),
        part.keys(rows),
        strict=True,
    )
    for row, (seq, time, recorded, vector, number, metadata, key) in enumerate(columns):
        sample = case.samples[seq]
        assert (time, tuple(vector), metadata, key) == (
            sample.timestamp,
            sample.vector,
            sample.metadata,
            sample.key,
        )
        assert recorded == case.holding.recorded[seq]
        assert case.registry.id_of(number) == part.entity_id(row) == sample.entity_id


def test_columns_are_typed_as_promised(case):
    part, rows = case.part, case.everything
    assert part.vectors(rows).dtype == part.scan_vectors(rows).dtype == np.float32
    assert part.times(rows).dtype == part.recorded(rows).dtype == np.int64
    assert part.seqs(rows).dtype == np.uint64
    assert part.entities(rows).dtype == np.uint32
    assert part.scan_vectors(rows).flags.c_contiguous


@pytest.mark.parametrize(
    "column", ["vectors", "scan_vectors", "times", "seqs", "recorded", "entities"]
)
def test_rows_may_be_a_run_or_numbers_in_any_order(case, column):
    read = getattr(case.part, column)
    everything = np.array(read(case.everything))
    rng = np.random.default_rng(1)
    for rows in (
        slice(0, 0),
        slice(3, 4),
        slice(7, 31),
        np.empty(0, np.int64),
        np.array([5]),
        rng.integers(0, case.part.rows, 200),
    ):
        assert (read(rows) == everything[rows]).all()
        assert len(read(rows)) == count_rows(rows)


def test_texts_come_in_the_order_asked(case):
    rows = np.random.default_rng(2).integers(0, case.part.rows, 50)
    seqs = case.seqs(rows)
    assert case.part.metadata(rows) == [case.samples[seq].metadata for seq in seqs]
    assert case.part.keys(rows) == [case.samples[seq].key for seq in seqs]
    assert case.part.keys(rows[:0]) == case.part.metadata(rows[:0]) == []


def bounds(case):
    times = sorted({sample.timestamp for sample in case.samples.values()})
    edges = [times[0], times[len(times) // 3], times[-1]]
    near = {edge + offset for edge in edges for offset in (-1, 0, 1)}
    return [TIME_MIN_US, *sorted(near), TIME_MAX_US + 1]


def test_a_selection_is_half_open_ascends_and_has_what_is_shown(case):
    for start in bounds(case):
        for end in bounds(case):
            rows = case.part.select(start, end)
            expected = [
                seq for seq, sample in case.shown.items() if start <= sample.timestamp < end
            ]
            assert sorted(case.seqs(rows)) == expected
            assert count_rows(rows) == len(expected)
            assert isinstance(rows, slice) or (rows.dtype == np.int64 and (np.diff(rows) > 0).all())


def test_rows_of_an_entity_come_by_time_then_seq(case):
    for name in {sample.entity_id for sample in case.samples.values()}:
        for start in bounds(case):
            for end in bounds(case):
                expected = sorted(
                    (sample.timestamp, seq)
                    for seq, sample in case.shown.items()
                    if sample.entity_id == name and start <= sample.timestamp < end
                )
                found = case.part.rows_of(name, start, end)
                assert found.dtype == np.int64
                assert case.seqs(found) == [seq for _, seq in expected]


@pytest.mark.parametrize("name", ["", "nobody", "aaa", "é" * 128, "￿"])
def test_an_entity_that_is_not_there_has_no_rows(case, name):
    assert case.part.rows_of(name, TIME_MIN_US, TIME_MAX_US + 1).tolist() == []


def test_its_bounds_hold(case):
    part = case.part
    times = part.times(part.select(TIME_MIN_US, TIME_MAX_US + 1))
    assert part.time_min <= times.min()
    assert times.max() <= part.time_max
    norms = np.linalg.norm(part.vectors(case.everything).astype(np.float64), axis=1)
    assert norms.max() <= part.norm_max * (1 + 1e-15)


def test_vectors_to_compare_by_are_of_unit_length_and_the_same_direction(case):
    given = case.part.vectors(case.everything).astype(np.float64)
    scan = case.part.scan_vectors(case.everything).astype(np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    assert np.abs(np.linalg.norm(scan, axis=1) - 1).max() <= 1.1e-6
    assert np.abs(scan - given / lengths).max() <= 1.1e-6


def test_the_bounds_of_what_is_stored_hold(stored):
    part, everything = stored.part, stored.everything
    assert part.seq_min <= min(stored.samples) <= max(stored.samples) <= part.seq_max
    recorded = part.recorded(everything)
    assert part.recorded_min <= recorded.min() <= recorded.max() <= part.recorded_max


def test_it_knows_who_died_when_and_how(stored):
    part, deaths = stored.part, stored.holding.deaths
    mine = {seq: deaths[seq] for seq in stored.samples if seq in deaths}
    found = part.deaths()
    assert (np.diff(found.row) > 0).all()
    columns = (found.seq.tolist(), found.at.tolist(), found.by.tolist())
    told = dict(zip(stored.seqs(found.row), zip(*columns, strict=True), strict=True))
    assert told == {seq: (death.seq, death.at, death.by) for seq, death in mine.items()}
    assert part.has_deaths or not mine
    rng = np.random.default_rng(3)
    for rows in (
        stored.everything,
        slice(11, 12),
        slice(9, 9),
        np.empty(0, np.int64),
        rng.integers(0, part.rows, 77),
    ):
        expected = [deaths[seq].seq if seq in mine else ALIVE for seq in stored.seqs(rows)]
        dead = part.dead_seqs(rows)
        assert (dead is None and set(expected) <= {ALIVE}) or dead.tolist() == expected


def test_versions_are_found_by_entity_and_time(stored):
    known = {(one.entity_id, one.timestamp) for one in stored.samples.values()}
    near = {(name, time + step) for name, time in known for step in (-1, 1)}
    beyond = {("zeta", TIME_MIN_US), ("zeta", TIME_MAX_US), ("a", 0), ("A", 1)}
    asked = sorted(known | near | beyond)
    np.random.default_rng(4).shuffle(asked)
    asked += asked[:9]
    numbers = np.array([stored.registry.number_of(name) for name, _ in asked], np.uint32)
    times = np.array([time for _, time in asked], np.int64)
    places, rows = stored.part.find_versions(numbers, times)
    found = sorted(zip(places.tolist(), stored.seqs(rows), strict=True))
    assert found == sorted(
        (place, seq)
        for place, question in enumerate(asked)
        for seq, one in stored.samples.items()
        if question == (one.entity_id, one.timestamp)
    )


def test_texts_come_as_columns_too(stored):
    keys, metadata = stored.part.text_columns()
    rows = np.arange(stored.part.rows)
    assert (str(keys.type), str(metadata.type)) == ("large_string", "large_binary")
    assert keys.to_pylist() == stored.part.keys(rows)
    assert metadata.to_pylist() == stored.part.metadata(rows)


def test_hot_and_sealed_hold_bit_for_bit_the_same(tmp_path):
    holding = Holding(tmp_path)
    holding.commit(random_samples(ROWS))
    [hot] = holding.hot.slices()
    holding.delete([hot], [3, 99, 40])
    sealed = holding.seal([hot])
    order = np.lexsort((hot.seqs(slice(0, ROWS)), hot.times(slice(0, ROWS))))
    for column in ("vectors", "times", "seqs", "recorded", "entities", "dead_seqs"):
        mine = np.array(getattr(hot, column)(order))
        assert mine.tobytes() == np.array(getattr(sealed, column)(slice(0, ROWS))).tobytes()
    for column in ("metadata", "keys"):
        assert getattr(hot, column)(order) == getattr(sealed, column)(np.arange(ROWS))


def test_filters_find_the_metadata_of_each_row(case):
    """In a run of documents that may begin before the part and go on behind it."""
    run, rows = case.part.metadata_run, np.arange(case.part.rows)
    assert run.end - run.begin == case.part.rows
    assert run.end <= run.block.capacity
    expected = case.part.metadata(rows)
    assert run.block.documents(slice(run.begin, run.end)).to_pylist() == expected
    some = slice(run.begin + 3, run.begin + 9)
    assert run.block.documents(some).to_pylist() == expected[3:9]
    chosen = np.random.default_rng(2).permutation(rows)[:17]
    found = run.block.documents(chosen + run.begin)
    assert found.type == pa.large_binary()
    assert found.to_pylist() == [expected[row] for row in chosen.tolist()]
    assert run.block.shelf is case.stored.metadata_run.block.shelf

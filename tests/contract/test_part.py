"""What every part of a window set promises, whichever kind it is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import RECORDED_AT, Holding, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.part import count_rows

ROWS = 120
BATCH = 20
SECOND = 1_000_000
KINDS = ("hot", "hot in order", "hot, begun in mid block", "hot, unit vectors", "sealed")
KINDS += ("sealed, unit vectors", "sealed, of several slices")


class Case:
    """A part, and the points it holds by seq."""

    def __init__(self, kind, directory):
        unit, mid = "unit" in kind, "mid" in kind
        holding = Holding(directory, block_rows=50 if "several" in kind else 1_000)
        samples = random_samples(ROWS, unit=unit, ordered="order" in kind)
        for begin in range(0, ROWS, BATCH):
            holding.commit(samples[begin : begin + BATCH])
        if mid:
            holding.hot.drop_sealed(2 * BATCH + 3)
        slices = holding.hot.slices()
        self.part = holding.seal(slices) if "sealed" in kind else slices[0]
        self.registry = holding.registry
        first = 2 * BATCH + 3 if mid else 0
        self.samples = {seq: samples[seq - 1] for seq in range(first + 1, ROWS + 1)}

    @property
    def everything(self):
        return slice(0, self.part.rows)

    def seqs(self, rows):
        return self.part.seqs(rows).tolist()


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    return Case(request.param, tmp_path_factory.mktemp("part"))


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
        assert recorded == RECORDED_AT + -(-seq // BATCH) * BATCH
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


def test_a_selection_is_half_open(case):
    for start in bounds(case):
        for end in bounds(case):
            rows = case.part.select(start, end)
            expected = [
                seq for seq, sample in case.samples.items() if start <= sample.timestamp < end
            ]
            assert sorted(case.seqs(rows)) == expected
            assert count_rows(rows) == len(expected)


def test_rows_of_an_entity_come_by_time_then_seq(case):
    for name in {sample.entity_id for sample in case.samples.values()}:
        for start in bounds(case):
            for end in bounds(case):
                expected = sorted(
                    (sample.timestamp, seq)
                    for seq, sample in case.samples.items()
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
    times = part.times(case.everything)
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


def test_hot_and_sealed_hold_bit_for_bit_the_same(tmp_path):
    holding = Holding(tmp_path)
    holding.commit(random_samples(ROWS))
    [hot] = holding.hot.slices()
    sealed = holding.seal([hot])
    order = np.lexsort((hot.seqs(slice(0, ROWS)), hot.times(slice(0, ROWS))))
    for column in ("vectors", "times", "seqs", "recorded", "entities"):
        mine = np.array(getattr(hot, column)(order))
        assert mine.tobytes() == np.array(getattr(sealed, column)(slice(0, ROWS))).tobytes()
    for column in ("metadata", "keys"):
        assert getattr(hot, column)(order) == getattr(sealed, column)(np.arange(ROWS))

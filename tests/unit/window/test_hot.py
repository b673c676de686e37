"""The hot set: slices that never change while their blocks fill up and are sealed."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.contract.parts import Holding, Sample, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.part import ALIVE


def snapshot(part):
    """All that a part says, copied."""
    everything, rows = slice(0, part.rows), np.arange(part.rows)
    return (
        [np.array(part.vectors(everything)).tobytes(), part.scan_vectors(everything).tobytes()],
        [part.times(everything).tolist(), part.seqs(everything).tolist()],
        [part.recorded(everything).tolist(), part.entities(everything).tolist()],
        [part.metadata(rows), part.keys(rows), [text.to_pylist() for text in part.text_columns()]],
        part.rows_of("a", TIME_MIN_US, TIME_MAX_US + 1).tolist(),
        (part.name, part.rows, part.time_min, part.time_max, part.norm_max, part.is_full),
        (part.seq_min, part.seq_max, part.recorded_min, part.recorded_max),
    )


def seqs_of(slices):
    return [seq for part in slices for seq in part.seqs(slice(0, part.rows)).tolist()]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_published_slices_never_change(tmp_path, metric):
    """Through appends, late points, longer vectors, the first that is not unit, and drops."""
    holding = Holding(tmp_path, metric=metric, block_rows=40)
    taken = []
    for turn in range(12):
        unit = turn < 5 or turn % 3 == 0
        holding.commit(random_samples(13, seed=turn, unit=unit, ordered=turn < 3))
        taken += [(part, snapshot(part)) for part in holding.hot.slices()]
        if turn % 4 == 3:
            holding.hot.drop_sealed(holding.seq - 20)
            taken += [(part, snapshot(part)) for part in holding.hot.slices()]
    assert all(snapshot(part) == before for part, before in taken)


def test_a_slice_from_before_the_first_longer_vector_keeps_scanning_what_was_given(tmp_path):
    holding = Holding(tmp_path)
    holding.commit(random_samples(10, unit=True))
    [before] = holding.hot.slices()
    assert before.scan_vectors(slice(0, 10)) is not None
    assert np.shares_memory(before.scan_vectors(slice(0, 10)), before.vectors(slice(0, 10)))
    holding.commit(random_samples(10, seed=1))
    [after] = holding.hot.slices()
    assert np.shares_memory(before.scan_vectors(slice(0, 10)), before.vectors(slice(0, 10)))
    assert not np.shares_memory(after.scan_vectors(slice(0, 20)), after.vectors(slice(0, 20)))
    scan = after.scan_vectors(slice(0, 20)).astype(np.float64)
    assert np.abs(np.linalg.norm(scan, axis=1) - 1).max() < 1.1e-6
    assert (after.scan_vectors(slice(0, 10)) == before.vectors(slice(0, 10))).all()
    holding.commit(random_samples(5, seed=2, unit=True))
    [last] = holding.hot.slices()
    assert (last.scan_vectors(slice(20, 25)) == last.vectors(slice(20, 25))).all()


def test_l2_needs_no_unit_vectors(tmp_path):
    holding = Holding(tmp_path, metric="l2")
    holding.commit(random_samples(10))
    [part] = holding.hot.slices()
    assert np.shares_memory(part.scan_vectors(slice(0, 10)), part.vectors(slice(0, 10)))


def test_rows_flow_over_into_further_blocks(tmp_path):
    holding = Holding(tmp_path, block_rows=10)
    holding.commit(random_samples(25))
    slices = holding.hot.slices()
    assert [(part.rows, part.is_full) for part in slices] == [(10, True), (10, True), (5, False)]
    assert [part.name for part in slices] == ["hot-1", "hot-11", "hot-21"]
    assert seqs_of(slices) == list(range(1, 26))
    assert holding.hot.rows == 25


@pytest.mark.parametrize("sealed", range(26))
def test_dropping_sealed_rows_leaves_the_others(tmp_path, sealed):
    holding = Holding(tmp_path, block_rows=10)
    holding.commit(random_samples(25))
    holding.hot.drop_sealed(sealed)
    slices = holding.hot.slices()
    assert seqs_of(slices) == list(range(sealed + 1, 26))
    assert holding.hot.rows == 25 - sealed == sum(part.rows for part in slices)
    holding.commit(random_samples(7))
    assert seqs_of(holding.hot.slices()) == list(range(sealed + 1, 33))
    holding.hot.drop_sealed(32)
    assert (holding.hot.slices(), holding.hot.rows, holding.hot.bytes) == ((), 0, 0)
    holding.commit(random_samples(1))
    assert seqs_of(holding.hot.slices()) == [33]


def test_bytes_are_those_of_vectors_and_metadata(tmp_path):
    holding = Holding(tmp_path, dim=4, block_rows=10)
    holding.commit([Sample("a", 0, (1.0,) * 4, metadata=b'{"x":1}')] * 15)
    assert holding.hot.bytes == 15 * (16 + 7)
    holding.hot.drop_sealed(12)
    assert holding.hot.bytes == 3 * (16 + 7)


def test_a_block_of_wide_vectors_has_fewer_rows(tmp_path):
    assert Holding(tmp_path, dim=4, block_rows=8_192).hot.block_rows == 8_192
    assert Holding(tmp_path, dim=4_096, block_rows=8_192).hot.block_rows == 2_048
    assert Holding(tmp_path, dim=4_096, block_rows=100).hot.block_rows == 100


def test_rows_in_order_of_time_are_selected_as_a_run(tmp_path):
    holding = Holding(tmp_path)
    holding.commit(random_samples(20, ordered=True))
    [part] = holding.hot.slices()
    assert isinstance(part.select(-10_000_000, 10_000_000), slice)
    holding.commit([Sample("a", -60_000_000, (1.0,) * 4)])
    [late] = holding.hot.slices()
    assert not isinstance(late.select(-10_000_000, 10_000_000), slice)
    assert late.select(TIME_MIN_US, TIME_MAX_US + 1) == slice(0, 21)
    assert isinstance(part.select(-10_000_000, 10_000_000), slice)


def test_equal_times_are_in_order_too(tmp_path):
    holding = Holding(tmp_path)
    for _ in range(3):
        holding.commit([Sample("a", 5, (1.0,) * 4)] * 4)
    [part] = holding.hot.slices()
    assert part.select(5, 6) == slice(0, 12)
    assert part.select(6, 6) == slice(12, 12)
    assert part.select(6, 5) == slice(12, 12)


def everything_of(part):
    return slice(0, part.rows)


def dead_of(part):
    """seq -> seq of its death, of the rows of a part."""
    seqs, dead = part.seqs(everything_of(part)), part.dead_seqs(everything_of(part))
    if dead is None:
        return {}
    return {int(seq): int(by) for seq, by in zip(seqs, dead, strict=True) if by != ALIVE}


def test_a_death_is_marked_on_every_slice_of_the_block(tmp_path):
    """By whatever slice the writer knows the row; a slice tells of its own rows only."""
    holding = Holding(tmp_path)
    holding.commit(random_samples(10))
    [early] = holding.hot.slices()
    holding.commit(random_samples(10))
    [late] = holding.hot.slices()
    holding.delete([late], [3, 15])
    holding.hot.drop_sealed(5)
    [rest] = holding.hot.slices()
    holding.delete([rest], [9])
    assert dead_of(early) == {3: 21, 9: 23}
    assert dead_of(late) == {3: 21, 15: 22, 9: 23}
    assert dead_of(rest) == {15: 22, 9: 23}
    for part in (early, late, rest):
        found = part.deaths()
        told = zip(part.seqs(found.row).tolist(), found.seq.tolist(), strict=True)
        assert dict(told) == dead_of(part)
        assert part.has_deaths
        assert part.death_marks == 3


def test_versions_are_found_in_a_slice_as_it_was(tmp_path):
    """Neither rows that came later nor those that were sealed since, whoever asked before."""
    holding = Holding(tmp_path)
    taken = []
    for turn in range(6):
        holding.commit([Sample("a", 5, (1.0,) * 4), Sample("a", turn, (1.0,) * 4)])
        if turn == 3:
            holding.hot.drop_sealed(3)
        [part] = holding.hot.slices()
        taken.append((part, part.seqs(everything_of(part)).tolist()))
    numbers, times = np.zeros(2, np.uint32), np.array([5, 2])
    for part, seqs in [*taken[::-1], *taken]:
        places, rows = part.find_versions(numbers, times)
        found = sorted(zip(places.tolist(), part.seqs(rows).tolist(), strict=True))
        mine = [(0, seq) for seq in (1, 3, 5, 7, 9, 11, 12) if seq in seqs]
        assert found == [*mine, *([(1, 6)] if 6 in seqs else [])]
    empty = taken[0][0].find_versions(numbers[:0], times[:0])
    assert [array.tolist() for array in empty] == [[], []]


def test_readers_find_versions_while_the_block_fills(tmp_path):
    holding = Holding(tmp_path, block_rows=5_000)
    holding.commit([Sample("a", 0, (1.0,) * 4)])
    done, problems = threading.Event(), []

    def read():
        while not done.wait(0.0005):
            [part] = holding.hot.slices()
            _, rows = part.find_versions(np.zeros(1, np.uint32), np.zeros(1, np.int64))
            if sorted(rows.tolist()) != list(range(part.rows)):
                problems.append(part.rows)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(300):
        holding.commit([Sample("a", 0, (1.0,) * 4)] * 3)
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []

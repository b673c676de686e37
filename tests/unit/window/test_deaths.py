"""Deaths by row, against a dictionary: whatever chunks they fall into, however they are read."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tsvec.storage.overlay import DeathCause, Deaths
from tsvec.window.deaths import _CHUNK_ROWS, DeathMap, deaths_of, no_deaths
from tsvec.window.part import ALIVE

ROWS = 5 * _CHUNK_ROWS + 100
EDGES = [edge + step for edge in range(0, ROWS, _CHUNK_ROWS) for step in (-1, 0, 1)][1:]
"""Rows on both sides of where chunks meet."""


def deaths(entries):
    """Deaths of a dictionary row -> (seq, at, by)."""
    rows = sorted(entries)
    seq, at, by = zip(*(entries[row] for row in rows), strict=True)
    return Deaths(
        np.array(rows, np.int64),
        np.array(seq, np.uint64),
        np.array(at, np.int64),
        np.array(by, np.uint8),
    )


def as_dict(found):
    assert (np.diff(found.row) > 0).all()
    assert (found.row.dtype, found.seq.dtype) == (np.int64, np.uint64)
    assert (found.at.dtype, found.by.dtype) == (np.int64, np.uint8)
    columns = (found.seq.tolist(), found.at.tolist(), found.by.tolist())
    return dict(zip(found.row.tolist(), zip(*columns, strict=True), strict=True))


def random_life(rng, turns=6):
    """Marks of several turns that never bury a row twice, some on the edges of chunks."""
    left = rng.permutation(ROWS).tolist()
    seq = 1
    for turn in range(turns):
        rows = {left.pop() for _ in range(rng.integers(1, 40))}
        rows |= {row for row in EDGES if row in left and rng.random() < 0.2}
        left = [row for row in left if row not in rows]
        entries = {}
        for row in sorted(rows):
            entries[row] = (seq, 1_000 * turn - 3_000, int(rng.integers(1, 3)))
            seq += 1
        yield entries


def selections(rng):
    yield from (slice(0, ROWS), slice(0, 0), slice(ROWS, ROWS), slice(7, 7))
    yield from (slice(row, row + 1) for row in EDGES)
    yield from (slice(*sorted(pair)) for pair in rng.integers(0, ROWS, (40, 2)).tolist())
    yield from (slice(low, high) for low, high in zip(EDGES, EDGES[2:], strict=False))
    yield np.empty(0, np.int64)
    yield np.array(EDGES)
    yield rng.integers(0, ROWS, 300)
    yield np.array([_CHUNK_ROWS] * 3 + [0])


def check(found, rows, truth):
    numbers = range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()
    expected = [truth[row][0] if row in truth else ALIVE for row in numbers]
    if found is None:
        assert set(expected) <= {ALIVE}
    else:
        assert found.dtype == np.uint64
        assert found.tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_it_says_what_a_dictionary_says(seed):
    rng = np.random.default_rng(seed)
    marks, truth = DeathMap(), {}
    for entries in random_life(rng):
        marks.mark(deaths(entries))
        truth |= entries
        assert marks.count == len(truth)
        assert as_dict(marks.entries()) == truth
        for rows in selections(rng):
            check(marks.dead_seqs(rows), rows, truth)


def test_deaths_in_few_chunks_of_very_many_are_found():
    """The rows asked for span more chunks than have any death."""
    far = 900 * _CHUNK_ROWS
    marks = DeathMap()
    marks.mark(deaths({far - 1: (5, 1, 1), far: (6, 1, 2)}))
    found = marks.dead_seqs(slice(0, far + 10))
    assert np.flatnonzero(found != ALIVE).tolist() == [far - 1, far]
    assert found[[far - 1, far]].tolist() == [5, 6]
    assert marks.dead_seqs(slice(0, far - _CHUNK_ROWS)) is None
    assert marks.dead_seqs(np.array([0, 17])) is None


def test_nothing_died():
    marks = DeathMap()
    assert as_dict(marks.entries()) == as_dict(no_deaths()) == {}
    marks.mark(no_deaths())
    assert (marks.count, marks.unsaved_from) == (0, None)
    assert marks.dead_seqs(slice(0, 10)) is marks.dead_seqs(np.array([3])) is None


def test_what_was_handed_out_does_not_change_with_later_marks():
    marks = DeathMap()
    marks.mark(deaths({3: (7, 0, 1), _CHUNK_ROWS: (8, 0, 1)}))
    handed = (
        marks.dead_seqs(slice(0, 2 * _CHUNK_ROWS)),
        marks.dead_seqs(slice(0, _CHUNK_ROWS)),
        marks.dead_seqs(np.arange(10)),
        marks.entries().row,
        marks.entries().seq,
    )
    before = [array.copy() for array in handed]
    marks.mark(deaths({row: (100 + row, 5, 2) for row in (0, 1, 2, 4, _CHUNK_ROWS + 1)}))
    assert all((array == copy).all() for array, copy in zip(handed, before, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_an_earlier_reader_never_sees_a_later_mark(seed):
    """Who compares with a seq gets the same answer after every mark of a later seq."""
    rng = np.random.default_rng(seed)
    marks = DeathMap()
    everything, answers = slice(0, ROWS), []
    for entries in random_life(rng, turns=12):
        marks.mark(deaths(entries))
        now = max(seq for seq, _, _ in entries.values())
        answers.append((now, marks.dead_seqs(everything) <= now))
        for seq, dead in answers:
            assert ((marks.dead_seqs(everything) <= seq) == dead).all()


def test_readers_beside_the_writer_see_what_their_seq_shows():
    """Readers take a published seq, and find exactly the deaths up to it, mark after mark."""
    rng = np.random.default_rng(1)
    order = rng.permutation(ROWS)[:3_000]
    marks, published, problems = DeathMap(), [0], []
    done = threading.Event()

    def read():
        while not done.wait(0.0005):
            seq = published[0]
            dead = marks.dead_seqs(slice(0, ROWS))
            found = set() if dead is None else set(np.flatnonzero(dead <= seq).tolist())
            every = marks.entries()
            told = set(every.row[every.seq <= seq].tolist())
            if not found == told == set(order[:seq].tolist()):
                problems.append(seq)
            if (every.at != every.seq.astype(np.int64) * 2).any() or (every.by == 0).any():
                problems.append(-seq)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for begin in range(0, len(order), 10):
        rows = np.sort(order[begin : begin + 10])
        seq = {int(row): begin + place + 1 for place, row in enumerate(order[begin : begin + 10])}
        marks.mark(deaths({row: (seq[row], 2 * seq[row], 1) for row in rows.tolist()}))
        published[0] = begin + 10
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_it_knows_the_first_death_that_is_not_saved():
    marks = DeathMap()
    marks.mark(deaths({3: (9, 0, 1), 5: (8, 0, 1)}))
    assert marks.unsaved_from == 8
    marks.mark(deaths({4: (12, 0, 1)}))
    assert marks.unsaved_from == 8
    saved, before = marks.begin_save()
    assert (sorted(as_dict(saved)), before, marks.unsaved_from) == ([3, 4, 5], 8, None)
    marks.mark(deaths({1: (20, 0, 2)}))
    assert marks.unsaved_from == 20
    again, before = marks.begin_save()
    assert (sorted(as_dict(again)), before, marks.unsaved_from) == ([1, 3, 4, 5], 20, None)
    assert marks.begin_save()[1] is None


def test_a_save_that_failed_is_owed_from_where_it_was():
    marks = DeathMap()
    marks.mark(deaths({3: (9, 0, 1)}))
    _, before = marks.begin_save()
    marks.mark(deaths({4: (15, 0, 1)}))
    marks.unsave(before)
    assert marks.unsaved_from == 9
    _, before = marks.begin_save()
    marks.unsave(before)
    assert marks.unsaved_from == 9
    marks.begin_save()
    marks.unsave(None)
    assert marks.unsaved_from is None


def test_deaths_of_rows_in_any_order_are_by_row():
    rows, seqs = np.array([9, 2, 5]), np.array([1, 2, 3])
    found = deaths_of(rows, seqs, at=-7, by=DeathCause.DELETED)
    assert as_dict(found) == {2: (2, -7, 2), 5: (3, -7, 2), 9: (1, -7, 2)}

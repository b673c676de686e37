"""Versions found by what identifies them, against a look at every version."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Holding, Sample
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.identity import find_by_seq, find_living
from tsvec.window.window_set import WindowSet

VECTOR = (1.0, 2.0, 3.0, 4.0)
NAMES = ["a", "b", "é", "漢", "zz"]
KEYS = [None, "k", "ключ", "k2"]
TIMES = [TIME_MIN_US, -7, -1, 0, 1, 5, 10**15, TIME_MAX_US]
UNKNOWN = 2**32 - 1


class Life:
    """Versions of few identities, replaced and deleted, in sealed parts and hot ones."""

    def __init__(self, directory, seed):
        self.rng = np.random.default_rng(seed)
        self.holding = Holding(directory, block_rows=17)
        self.holding.commit([Sample(name, 3, VECTOR) for name in NAMES])
        self.sealed = []
        for turn in range(16):
            self.change()
            if turn % 5 == 4:
                self.sealed.append(self.holding.seal(self.holding.hot.slices()))
                self.holding.hot.drop_sealed(self.holding.seq)

    def change(self):
        """Points of which some take the place of living ones, then some deletions."""
        holding, rng = self.holding, self.rng
        identities = {
            (str(rng.choice(NAMES)), TIMES[rng.integers(8)], KEYS[rng.integers(4)])
            for _ in range(12)
        }
        taken = {identity(one): seq for seq, one in holding.living().items()}
        parts = [*self.sealed, *holding.hot.slices()]
        holding.replace(parts, [taken[one] for one in identities if one in taken])
        fresh = [one for one in identities if one not in taken]
        if fresh:
            holding.commit([Sample(name, time, VECTOR, key=key) for name, time, key in fresh])
        living = rng.permutation(sorted(holding.living())).tolist()
        holding.delete([*self.sealed, *holding.hot.slices()], living[: rng.integers(6)])

    def windows(self, seq):
        holding = self.holding
        parts = (tuple(self.sealed), holding.hot.slices())
        return WindowSet(holding.config, "h", seq, 0, *parts, holding.registry)

    def questions(self, count):
        rng = self.rng
        return [
            (NAMES[rng.integers(5)], TIMES[rng.integers(8)] if rng.random() < 0.9 else 77, key)
            for key in (KEYS[rng.integers(4)] for _ in range(count))
        ]


def identity(sample):
    return sample.entity_id, sample.timestamp, sample.key


@pytest.fixture(params=range(4))
def life(request, tmp_path):
    return Life(tmp_path, request.param)


def numbers_of(holding, names):
    known = [holding.registry.number_of(name) for name in names]
    return np.array([UNKNOWN if one is None else one for one in known], np.uint32)


def answers(found):
    """(place in the question, seq) of all that was found."""
    return sorted(
        (place, seq)
        for one in found
        for place, seq in zip(one.places.tolist(), one.part.seqs(one.rows).tolist(), strict=True)
    )


def test_the_living_version_of_each_identity_is_found_as_of_any_change(life):
    holding = life.holding
    for seq in [0, 3, holding.seq, *life.rng.integers(0, holding.seq, 15).tolist()]:
        living = {identity(one): n for n, one in holding.living(seq).items()}
        asked = life.questions(60)
        numbers = numbers_of(holding, [name for name, _, _ in asked])
        times = np.array([time for _, time, _ in asked], np.int64)
        found = find_living(life.windows(seq), numbers, times, [key for _, _, key in asked])
        expected = [(place, living[one]) for place, one in enumerate(asked) if one in living]
        assert answers(found) == expected


def test_the_version_that_a_change_made_is_found_dead_or_alive(life):
    holding = life.holding
    seqs = life.rng.permutation([*holding.given, *list(holding.given)[:5]])
    samples = [holding.given[seq] for seq in seqs.tolist()]
    numbers = numbers_of(holding, [one.entity_id for one in samples])
    times = np.array([one.timestamp for one in samples], np.int64)
    windows = life.windows(holding.seq)
    expected = [(place, seq) for place, seq in enumerate(seqs.tolist())]
    assert answers(find_by_seq(windows, numbers, times, seqs.astype(np.uint64))) == expected
    others = np.roll(seqs, 1).astype(np.uint64)
    same = [
        (place, int(seq))
        for place, seq in enumerate(others)
        if identity(holding.given[int(seq)])[:2] == identity(samples[place])[:2]
    ]
    assert answers(find_by_seq(windows, numbers, times, others)) == same


def test_a_seq_that_made_no_version_finds_nothing(life):
    holding = life.holding
    gone = [seq for seq in range(holding.seq + 9) if seq not in holding.given]
    name, time, _ = identity(next(iter(holding.given.values())))
    numbers = numbers_of(holding, [name] * len(gone))
    found = find_by_seq(
        life.windows(holding.seq), numbers, np.full(len(gone), time), np.array(gone, np.uint64)
    )
    assert answers(found) == []


def test_unknown_entities_and_empty_questions_find_nothing(life):
    windows = life.windows(life.holding.seq)
    times = np.array(TIMES, np.int64)
    strangers = np.full(len(times), UNKNOWN, np.uint32)
    assert answers(find_living(windows, strangers, times, [None] * len(times))) == []
    assert find_living(windows, strangers[:0], times[:0], []) == []
    assert find_by_seq(windows, strangers[:0], times[:0], np.empty(0, np.uint64)) == []
    empty = WindowSet(windows.config, "h", 0, 0, (), (), windows.registry)
    assert find_living(empty, strangers, times, [None] * len(times)) == []


@pytest.mark.parametrize("sealed", [False, True])
def test_many_entities_at_one_instant_and_many_versions_of_one(tmp_path, sealed):
    """Each question is answered by its own rows, however crowded its instant is."""
    holding = Holding(tmp_path)
    holding.commit([Sample(f"e{n}", 50, VECTOR) for n in range(200)])
    holding.commit([Sample("e7", 50, VECTOR, key=f"k{n}") for n in range(150)])
    holding.commit([Sample("e7", time, VECTOR) for time in (49, 51, 50)])
    [part] = holding.hot.slices()
    part = holding.seal([part]) if sealed else part
    numbers = np.arange(200, dtype=np.uint32)
    places, rows = part.find_versions(numbers, np.full(200, 50))
    found = sorted(zip(places.tolist(), part.seqs(rows).tolist(), strict=True))
    seven = [(7, 8), *((7, 201 + n) for n in range(150)), (7, 353)]
    assert found == sorted([*seven, *((n, n + 1) for n in range(200) if n != 7)])
    assert len(part.find_versions(numbers, np.full(200, 52))[0]) == 0
    assert part.seqs(part.find_versions(numbers[7:8], np.array([51]))[1]).tolist() == [352]


def test_only_parts_whose_times_reach_are_asked(tmp_path, monkeypatch):
    holding = Holding(tmp_path, block_rows=10)
    holding.commit([Sample("a", time, VECTOR) for time in range(30)])
    first, second, hot = holding.hot.slices()
    sealed = (holding.seal([first]), holding.seal([second]))
    windows = WindowSet(holding.config, "h", 30, 0, sealed, (hot,), holding.registry)

    def refuse(*_):
        raise AssertionError("asked")

    for part in (sealed[0], hot):
        monkeypatch.setattr(part, "find_versions", refuse)
    numbers, times = np.zeros(2, np.uint32), np.array([12, 17])
    assert answers(find_living(windows, numbers, times, [None, None])) == [(0, 13), (1, 18)]
    seqs = np.array([13, 1], np.uint64)
    assert answers(find_by_seq(windows, numbers, times, seqs)) == [(0, 13)]

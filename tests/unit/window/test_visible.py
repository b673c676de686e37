"""What a seq and a cutoff show of a part, against a look at every version."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Holding, Sample, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.visible import VisiblePart, is_plain

KINDS = ("hot", "folded", "since", "both")
SECOND = 1_000_000


@pytest.fixture(scope="module", params=KINDS)
def life(request, tmp_path_factory):
    """A part of random points, replaced and deleted before it was sealed, or after, or both."""
    rng = np.random.default_rng(KINDS.index(request.param))
    holding = Holding(tmp_path_factory.mktemp("part"))
    early = request.param in ("hot", "folded", "both")
    for turn in range(8):
        holding.commit(random_samples(15, seed=turn))
        if early:
            bury(holding, holding.hot.slices(), rng)
    parts = holding.hot.slices()
    if request.param != "hot":
        parts = (holding.seal(parts),)
    if request.param in ("since", "both"):
        for _ in range(6):
            bury(holding, parts, rng)
    [part] = parts
    return holding, part


def bury(holding, parts, rng):
    living = sorted(holding.living())
    holding.delete(parts, rng.choice(living, rng.integers(1, 8), replace=False).tolist())


def moments(holding, rng):
    return [0, 1, holding.seq, *rng.integers(1, holding.seq, 12).tolist()]


def cutoffs(rng):
    some = rng.integers(-40, 41, 4) * SECOND
    return [TIME_MIN_US, -40 * SECOND, TIME_MAX_US, *some.tolist(), int(some[0]) + 1]


def ranges(rng):
    yield TIME_MIN_US, TIME_MAX_US + 1
    for _ in range(8):
        low, high = rng.integers(-45, 45, 2) * SECOND
        yield int(low), int(high) + int(rng.integers(-1, 2))


def test_it_shows_what_was_born_has_not_died_and_not_expired(life):
    holding, part = life
    rng = np.random.default_rng(5)
    names = sorted({sample.entity_id for sample in holding.given.values()})
    for seq in moments(holding, rng):
        for cutoff in cutoffs(rng):
            seen = VisiblePart(part, seq, cutoff)
            living = holding.living(seq, cutoff)
            for start, end in ranges(rng):
                inside = {n for n, one in living.items() if start <= one.timestamp < end}
                assert set(part.seqs(seen.select(start, end)).tolist()) == inside
                name = names[rng.integers(len(names))]
                mine = [(living[n].timestamp, n) for n in inside if living[n].entity_id == name]
                found = part.seqs(seen.rows_of(name, start, end)).tolist()
                assert found == [n for _, n in sorted(mine)]


def test_what_it_showed_stays_when_more_die(life, tmp_path):
    """Marks carry later seqs, so they cannot be seen; not even in a part without any before."""
    holding = Holding(tmp_path)
    holding.commit(random_samples(40))
    [part] = holding.hot.slices()
    sealed = holding.seal([part])
    for stored in (part, sealed):
        seen = VisiblePart(stored, holding.seq, TIME_MIN_US)
        before = np.sort(stored.seqs(seen.select(TIME_MIN_US, TIME_MAX_US + 1))).tolist()
        alive = [seq for seq in holding.living() if seq % 3 == stored.is_hot]
        holding.delete([stored], alive)
        after = np.sort(stored.seqs(seen.select(TIME_MIN_US, TIME_MAX_US + 1))).tolist()
        assert after == before
        now = VisiblePart(stored, holding.seq, TIME_MIN_US).select(TIME_MIN_US, TIME_MAX_US + 1)
        assert len(now) == len(before) - len(alive)


def test_where_all_is_seen_a_run_stays_a_run(tmp_path):
    holding = Holding(tmp_path)
    holding.commit(random_samples(40, ordered=True))
    [hot] = holding.hot.slices()
    sealed = holding.seal([hot])
    for part in (hot, sealed):
        holding.delete([part], [1, 2])
        seen = VisiblePart(part, holding.seq, TIME_MIN_US)
        after = int(part.times(slice(1, 2))[0]) + 1
        assert isinstance(seen.select(after, TIME_MAX_US + 1), slice)
        assert isinstance(seen.select(5, 5), slice)
        assert not isinstance(seen.select(TIME_MIN_US, TIME_MAX_US), slice)


def test_its_times_begin_at_the_cutoff(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", time, (1.0,) * 4) for time in (10, 20, 30)])
    [part] = holding.hot.slices()
    bounds = [(VisiblePart(part, 3, cutoff).time_min) for cutoff in (TIME_MIN_US, 10, 11, 30)]
    assert bounds == [10, 10, 11, 30]
    assert VisiblePart(part, 3, 20).time_max == 30


def test_a_part_is_plain_when_nothing_of_it_is_hidden(tmp_path):
    holding = Holding(tmp_path)
    holding.commit([Sample("a", time, (1.0,) * 4) for time in (10, 20, 30)])
    [hot] = holding.hot.slices()
    sealed = holding.seal([hot])
    for part in (hot, sealed):
        assert is_plain(part, 3, TIME_MIN_US)
        assert is_plain(part, 3, 10)
        assert not is_plain(part, 3, 11)
        assert not is_plain(part, 2, TIME_MIN_US)
        holding.delete([part], [2 if part.is_hot else 3])
        assert not is_plain(part, holding.seq, TIME_MIN_US)
        assert not is_plain(part, 3, TIME_MIN_US)
    assert not is_plain(holding.seal([hot]), holding.seq, TIME_MIN_US)


def test_of_some_rows_the_visible_ones_are_told(life):
    holding, part = life
    rng = np.random.default_rng(9)
    for _ in range(30):
        seq = int(rng.integers(0, holding.seq + 1))
        view = VisiblePart(part, seq, TIME_MIN_US)
        low, high = sorted(rng.integers(0, part.rows + 1, 2).tolist())
        some = np.sort(rng.permutation(part.rows)[: rng.integers(part.rows)])
        for rows in (slice(low, high), some, slice(low, low)):
            asked = part.seqs(rows).tolist()
            living = holding.living(seq)
            assert part.seqs(view.visible(rows)).tolist() == [one for one in asked if one in living]

"""A window set lists what is to be seen of its parts, and those that a range may touch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import Holding, Sample, random_samples
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.visible import VisiblePart
from tsvec.window.window_set import WindowSet

EVER = (TIME_MIN_US, TIME_MAX_US + 1)


@pytest.fixture
def holding(tmp_path):
    return Holding(tmp_path, block_rows=10)


@pytest.fixture
def windows(holding):
    """Parts of the times 0-9, 10-19 (sealed), 20-29 and 5-24 (hot)."""
    for first, step in ((0, 1), (10, 1), (20, 1), (5, 2)):
        holding.commit([Sample("a", first + step * row, (1.0,) * 4) for row in range(10)])
    one, two, *hot = holding.hot.slices()
    sealed = (holding.seal([one]), holding.seal([two]))
    return WindowSet(holding.config, "h", holding.seq, 0, sealed, tuple(hot), holding.registry)


def test_parts_and_rows(windows):
    assert [part.is_hot for part in windows.parts()] == [False, False, True, True]
    assert (windows.rows, windows.hot_rows) == (40, 20)


@pytest.mark.parametrize(
    ("start", "end", "places"),
    [
        (0, 100, [0, 1, 2, 3]),
        (-5, 0, []),
        (-5, 1, [0]),
        (9, 10, [0, 3]),
        (10, 10, [3]),
        (19, 20, [1, 3]),
        (24, 29, [2]),
        (30, 99, []),
    ],
)
def test_parts_of_a_range(windows, start, end, places):
    parts = list(windows.parts())
    found = windows.overlapping(start, end)
    holding = {
        place
        for place, part in enumerate(parts)
        if any(start <= time < end for time in part.times(slice(0, part.rows)).tolist())
    }
    assert holding <= {parts.index(part) for part in found} == set(places)


def test_parts_of_which_nothing_is_hidden_are_read_as_they_are(windows):
    assert list(windows.parts()) == list(windows.stored()) == [*windows.sealed, *windows.hot]


def test_only_parts_of_which_something_is_hidden_are_masked(windows, holding):
    holding.delete([windows.sealed[1]], [11])
    masked = [isinstance(part, VisiblePart) for part in windows.at(holding.seq).parts()]
    assert masked == [False, True, False, False]
    masked = [isinstance(part, VisiblePart) for part in windows.after_cutoff(15).parts()]
    assert masked == [True, False, True]
    masked = [isinstance(part, VisiblePart) for part in windows.at(25).parts()]
    assert masked == [False, True, True]


def test_parts_that_show_nothing_are_left_out(windows):
    assert [part.name for part in windows.at(20).parts()] == ["p-00000001", "p-00000002"]
    assert [part.name for part in windows.at(0).parts()] == []
    assert [part.is_hot for part in windows.after_cutoff(20).parts()] == [True, True]
    assert list(windows.after_cutoff(30).parts()) == []
    assert windows.after_cutoff(30).overlapping(*EVER) == []
    assert len(list(windows.after_cutoff(30).at(0).stored())) == 4


def test_the_same_moment_and_cutoff_are_the_same_windows(windows):
    assert windows.at(windows.seq) is windows
    assert windows.after_cutoff(TIME_MIN_US) is windows
    assert (windows.at(3).seq, windows.at(3).cutoff) == (3, TIME_MIN_US)
    assert (windows.after_cutoff(9).at(3).seq, windows.after_cutoff(9).cutoff) == (3, 9)


def seen_in(windows, start, end):
    return sorted(
        seq
        for part in windows.overlapping(start, end)
        for seq in part.seqs(part.select(start, end)).tolist()
    )


def test_every_moment_cutoff_and_range_shows_what_was_there(holding):
    """Through commits, deletions, replacements and seals; also the window sets from before them."""
    rng = np.random.default_rng(3)
    sealed, taken = [], []
    for turn in range(12):
        holding.commit(random_samples(13, seed=turn))
        stored = [*sealed, *holding.hot.slices()]
        living = rng.permutation(sorted(holding.living())).tolist()
        holding.delete(stored, living[:3])
        holding.replace(stored, living[3:6])
        if turn % 3 == 2:
            sealed = [*sealed, holding.seal(holding.hot.slices())]
            holding.hot.drop_sealed(holding.seq)
        parts = (tuple(sealed), holding.hot.slices())
        taken.append(WindowSet(holding.config, "h", holding.seq, 0, *parts, holding.registry))
    for windows in taken:
        for seq in [windows.seq, *rng.integers(0, windows.seq, 6).tolist()]:
            cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * 1_000_000]))
            low, high = sorted(rng.integers(-45, 45, 2) * 1_000_000)
            past = windows.at(seq).after_cutoff(cutoff)
            for start, end in ((int(low), int(high)), EVER):
                living = holding.living(seq, cutoff).items()
                inside = sorted(n for n, one in living if start <= one.timestamp < end)
                assert seen_in(past, start, end) == inside


def test_it_cannot_be_changed(windows):
    with pytest.raises(AttributeError):
        windows.seq = 3

"""A window set lists its parts, sealed ones first, and those that a range may touch."""

from __future__ import annotations

import pytest

from tests.contract.parts import Holding, Sample
from tsvec.window.window_set import WindowSet


@pytest.fixture
def windows(tmp_path):
    """Parts of the times 0-9, 10-19 (sealed), 20-29 and 5-24 (hot)."""
    holding = Holding(tmp_path, block_rows=10)
    for first, step in ((0, 1), (10, 1), (20, 1), (5, 2)):
        holding.commit([Sample("a", first + step * row, (1.0,) * 4) for row in range(10)])
    one, two, *hot = holding.hot.slices()
    sealed = (holding.seal([one]), holding.seal([two]))
    return WindowSet(holding.config, "h", holding.seq, 0, sealed, tuple(hot), holding.registry)


def test_parts_and_rows(windows):
    assert [part.is_hot for part in windows.parts()] == [False, False, True, True]
    assert windows.rows == 40


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


def test_it_cannot_be_changed(windows):
    with pytest.raises(AttributeError):
        windows.seq = 3

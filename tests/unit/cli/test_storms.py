from __future__ import annotations

import numpy as np
import orjson
import pytest

from tsvec.cli.storms import load_storms
from tsvec.model.times import time_from_rfc3339


@pytest.fixture(scope="module")
def storms():
    return load_storms()


def test_every_storm_is_there_once(storms):
    assert len(storms.ids) == len(set(storms.ids)) == 654
    assert len(storms) == 20_524
    assert (np.diff(storms.timestamp) >= 0).all()


def test_a_state_keeps_the_numbers_of_its_source(storms):
    row = storms.row("KATRINA-2005", time_from_rfc3339("2005-08-28T18:00:00Z"))
    assert storms.state[row].tolist() == [26.3, -88.6, 150.0, 902.0]
    assert storms.vectors[row] == pytest.approx([2.63, -8.86, 6.0, 4.44])


def test_types_follow_the_highest_category(storms):
    types = dict(zip(storms.ids, storms.types, strict=True))
    assert types["KATRINA-2005"] == "MAJOR_HURRICANE"
    assert types["KATRINA-1981"] == "HURRICANE"
    assert types["AL022006-2006"] == "TROPICAL_STORM"
    assert types["AL022000-2000"] == "TROPICAL_DEPRESSION"


def test_batches_hold_every_state_in_order(storms):
    batches = list(storms.batches(6_000))
    assert [len(batch) for batch in batches] == [6_000, 6_000, 6_000, 2_524]
    assert np.array_equal(np.concatenate([b.timestamp for b in batches]), storms.timestamp)
    first = batches[0]
    assert first.entity_id[0].endswith("-1975")
    assert orjson.loads(first.metadata[0]).keys() == {
        "name", "latitude", "longitude", "wind_kt", "pressure_hpa"
    }  # fmt: skip

"""Time decay as it is written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.nearest.decay import TimeDecay


def test_a_half_life_is_a_duration():
    decay = TimeDecay(half_life="90s")
    assert (decay.half_life_us, decay.decay_at) == (90_000_000, None)
    assert TimeDecay(half_life="1h", decay_at="1970-01-01T00:00:01Z").decay_at == 1_000_000


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"half_life": "0s"},
        {"half_life": "-1h"},
        {"half_life": 3_600},
        {"half_life": "1w"},
        {"half_life": None},
        {"half_life": "1h", "decay_at": "2026-01-01"},
        {"half_life": "1h", "decay_at": True},
        {"half_life": "1h", "from": 1},
    ],
)
def test_what_is_no_decay(fields):
    with pytest.raises(ValidationError):
        TimeDecay(**fields)

"""Limits and what they are called."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.limits import LIMITS, Limits


def test_limits_are_fixed():
    with pytest.raises(ValidationError):
        LIMITS.dim_max = 1


@pytest.mark.parametrize("name", Limits.model_fields)
def test_a_limit_is_positive_named_and_explained(name):
    assert getattr(LIMITS, name) > 0
    assert name.endswith(("_max", "_seconds"))
    assert (Limits.model_fields[name].description or "").endswith(".")

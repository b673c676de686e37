"""Limits and what they are called."""

from __future__ import annotations

import threading
from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from tsvec.model.limits import LIMITS, WIDEST, AtMost, Limits, in_force, limits


def test_limits_are_fixed():
    with pytest.raises(ValidationError):
        LIMITS.dim_max = 1


@pytest.mark.parametrize("name", Limits.model_fields)
def test_a_limit_is_positive_named_and_explained(name):
    assert getattr(LIMITS, name) > 0
    assert name.endswith(("_max", "_seconds"))
    assert (Limits.model_fields[name].description or "").endswith(".")


@pytest.mark.parametrize("name", Limits.model_fields)
def test_a_limit_has_hard_bounds(name):
    bound = getattr(WIDEST, name)
    assert getattr(LIMITS, name) <= bound
    Limits(**{name: bound})
    with pytest.raises(ValidationError):
        Limits(**{name: bound + 1})
    with pytest.raises(ValidationError):
        Limits(**{name: -1})


def test_limits_are_in_force_inside_their_block_alone():
    outside = limits()
    with in_force(Limits(k_max=5)), in_force(Limits(k_max=6)):
        assert limits().k_max == 6
    assert limits() is outside
    threads = []
    with in_force(Limits(k_max=5)):
        thread = threading.Thread(target=lambda: threads.append(limits()))
        thread.start()
        thread.join()
    assert threads == [WIDEST]


class Holder(BaseModel):
    number: Annotated[int, AtMost("k_max")]
    names: Annotated[list[str], AtMost("selector_items_max", is_list=True)] = []


def test_a_field_is_held_to_the_limit_in_force_and_shows_the_default():
    with in_force(Limits(k_max=2_000, selector_items_max=2)):
        assert Holder(number=2_000, names=["a", "b"]).number == 2_000
        with pytest.raises(ValidationError, match=r"at most 2000 allowed, not 2001 \(k_max\)"):
            Holder(number=2_001)
        with pytest.raises(ValidationError, match=r"at most 2 items, not 3 \(selector_items_max\)"):
            Holder(number=1, names=["a"] * 3)
    said = Holder.model_json_schema()["properties"]
    assert said["number"]["maximum"] == LIMITS.k_max
    assert said["names"]["maxItems"] == LIMITS.selector_items_max

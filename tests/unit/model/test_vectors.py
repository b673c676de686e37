"""Vectors on their way in and out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tsvec.model.limits import LIMITS
from tsvec.model.vectors import (
    RECORD,
    ElementError,
    Vector,
    shortest_numbers,
    vector_from_numbers,
)


class Holder(BaseModel):
    model_config = RECORD
    vector: Vector


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_out_and_in_again_is_the_same(numbers):
    vector = np.array(numbers, np.float32)
    assert vector_from_numbers(shortest_numbers(vector)).tobytes() == vector.tobytes()
    again = Holder.model_validate_json(Holder(vector=vector).model_dump_json())
    assert again.vector.tobytes() == vector.tobytes()


def test_numbers_come_back_as_they_were_written():
    text = '{"vector":[17.3,-82.8,160.0,0.1]}'
    assert Holder.model_validate_json(text).model_dump_json() == text


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "u1"])
def test_arrays_of_numbers_are_taken(kind):
    assert Holder(vector=np.array([1, 2], kind)).vector.tolist() == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        np.array([True]),
        np.array(["1"]),
        np.array([1j]),
        np.array([1], object),
        np.zeros((2, 2)),
        np.zeros(0),
        np.zeros(LIMITS.dim_max + 1),
        [True],
        ["1"],
        [[1.0]],
        [],
        [0.0] * (LIMITS.dim_max + 1),
        "abc",
        b"abc",
        None,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_vector(value):
    with pytest.raises(ValidationError):
        Holder(vector=value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
def test_an_element_that_cannot_be_stored_is_named(value):
    with pytest.raises(ElementError, match="element 2") as caught:
        vector_from_numbers([0.0, 1.0, value])
    assert caught.value.element == 2
    with pytest.raises(ValidationError):
        Holder(vector=np.array([0.0, 1.0, value]))


def test_the_longest_vector_is_taken():
    assert len(Holder(vector=[0.5] * LIMITS.dim_max).vector) == LIMITS.dim_max


def test_only_the_first_fault_is_looked_for():
    texts = ",".join(['"x"'] * 4_000)
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate_json(f'{{"vector": [{texts}]}}')
    assert caught.value.error_count() == 1

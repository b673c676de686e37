"""Attributes and how a patch changes them."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.model.attributes import attributes_bytes, merge_patch
from tsvec.model.limits import LIMITS


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": [1, 2]}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
        ({}, {}, {}),
    ],
)
def test_the_examples_of_rfc_7396(target, patch, merged):
    before = copy.deepcopy((target, patch))
    assert merge_patch(target, patch) == merged
    assert (target, patch) == before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
)
OBJECTS = st.dictionaries(st.text("ab", max_size=1), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_a_patch_given_twice_changes_nothing_more(target, patch):
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def test_attributes_are_compact_json_up_to_their_limit():
    assert attributes_bytes({}) == b"{}"
    assert attributes_bytes({"a": [1, None]}) == b'{"a":[1,null]}'
    text = "x" * (LIMITS.attributes_bytes_max - len('{"a":""}'))
    assert len(attributes_bytes({"a": text})) == LIMITS.attributes_bytes_max
    with pytest.raises(ValueError, match="attributes_bytes_max"):
        attributes_bytes({"a": text + "x"})


@pytest.mark.parametrize("value", [{"a": float("nan")}, {1: 2}, {"a": b"x"}])
def test_attributes_that_cannot_be_stored(value):
    with pytest.raises(ValueError, match="attributes"):
        attributes_bytes(value)

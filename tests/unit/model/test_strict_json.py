"""Repeated keys are found wherever they are, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import IngestRequest, PointInput
from tsvec.model.strict_json import decode_json, decode_object, refuse_repeated_keys

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_an_object_without_repeated_keys_is_itself(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert decode_object(text) == value


@given(OBJECTS, st.text(), VALUES, VALUES)
def test_a_repeated_key_is_found(value, key, one, other):
    members = [f"{json.dumps(key)}: {json.dumps(item)}" for item in (one, other)]
    rest = [f"{json.dumps(name)}: {json.dumps(item)}" for name, item in value.items()]
    text = "{" + ", ".join([members[0], *rest, members[1]]) + "}"
    with pytest.raises(InvalidRequestError, match="more than once"):
        decode_object(text.encode())


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": 1, "a": 1}', "a"),
        ('{"a": {"b": [0, {"c": 1, "c" \n\t: 2}]}}', "a.b[1].c"),
        ('[{"a": 1}, {"a": 1, "\\u0061": 2}]', "[1].a"),
    ],
)
def test_the_place_is_named(text, field):
    with pytest.raises(InvalidRequestError) as caught:
        refuse_repeated_keys(text.encode())
    assert caught.value.details[0].field == field


def test_a_record_is_decoded():
    text = b'{"points": [{"entity_id": "a", "vector": [1, 2], "metadata": {"b": {"c": 1}}}]}'
    assert decode_json(IngestRequest, text).points[0].metadata == {"b": {"c": 1}}


def test_a_repeated_key_beside_a_look_alike_is_found():
    text = b'{"entity_id": "a\\": ", "vector": [1], "metadata": {"b": 1, "b": 2}}'
    with pytest.raises(InvalidRequestError) as caught:
        decode_json(PointInput, text, ("points", 7))
    assert (caught.value.details[0].field, caught.value.details[0].row) == (
        "points[7].metadata.b",
        7,
    )


def test_other_faults_are_left_to_the_record():
    with pytest.raises(ValidationError):
        decode_json(PointInput, b'{"entity_id": "a"}')


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b"{", b'{"a": 1} x', b"[" * 100_000])
def test_what_is_no_object(text):
    with pytest.raises(InvalidRequestError):
        decode_object(text)


def test_a_byte_order_mark_is_refused():
    with pytest.raises(InvalidRequestError, match="byte order mark"):
        decode_json(PointInput, b'\xef\xbb\xbf{"entity_id": "a", "vector": [1]}')
    with pytest.raises(InvalidRequestError, match="byte order mark"):
        decode_object(b"\xef\xbb\xbf{}")

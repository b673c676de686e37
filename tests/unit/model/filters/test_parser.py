"""Every filter that is right becomes its predicate; every one that is not is told where and why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.property.filter_truth import filters, names, written
from tsvec.model.errors import InvalidRequestError
from tsvec.model.filters.parser import Filter, FilterError, parse_filter
from tsvec.model.filters.predicates import (
    ALWAYS,
    Equal,
    Every,
    Exists,
    Not,
    OfEntity,
    Ordered,
    Some,
)
from tsvec.model.limits import LIMITS
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.strict_json import decode_json
from tsvec.model.validation import record_of

A = ("a",)


class Wanted(BaseModel):
    filter: Filter | None = None


@pytest.mark.parametrize(
    ("given", "predicate"),
    [
        ({}, ALWAYS),
        ({"a": 1}, Equal(A, numbers=(1,))),
        ({"a": 1.0}, Equal(A, numbers=(1,))),
        ({"a": -0.0}, Equal(A, numbers=(0,))),
        ({"a": 2.0**70}, Equal(A, numbers=(2.0**70,))),
        ({"a": True}, Equal(A, truths=(True,))),
        ({"a": None}, Equal(A, null=True)),
        ({"a": {"$eq": "x"}}, Equal(A, texts=("x",))),
        ({"a": {"$ne": "x"}}, Not(Equal(A, texts=("x",)))),
        ({"a": {"$gt": 1}}, Ordered(A, "gt", 1)),
        ({"a": {"$gte": 1.5}}, Ordered(A, "gte", 1.5)),
        ({"a": {"$lt": "m"}}, Ordered(A, "lt", "m")),
        ({"a": {"$lte": 2**64 - 1}}, Ordered(A, "lte", 2**64 - 1)),
        (
            {"a": {"$in": ["y", 2, "x", 2.0, None, True, 1, "x"]}},
            Equal(A, ("x", "y"), (1, 2), (True,), null=True),
        ),
        ({"a": {"$in": []}}, Equal(A)),
        ({"a": {"$nin": [1]}}, Not(Equal(A, numbers=(1,)))),
        ({"a": {"$exists": True}}, Exists(A)),
        ({"a": {"$exists": False}}, Not(Exists(A))),
        ({"a": {"$not": {"$gt": 1}}}, Not(Ordered(A, "gt", 1))),
        ({"a": {"$not": {"$ne": 1}}}, Equal(A, numbers=(1,))),
        ({"a": {"$gt": 1, "$lt": 2}}, Every((Ordered(A, "gt", 1), Ordered(A, "lt", 2)))),
        ({"a": 1, "b": 2}, Every((Equal(A, numbers=(1,)), Equal(("b",), numbers=(2,))))),
        ({"$and": [{"a": 1}, {"a": 1}]}, Equal(A, numbers=(1,))),
        ({"$and": [{}, {"$and": [{"a": 1}]}]}, Equal(A, numbers=(1,))),
        ({"$or": [{"a": 1}, {"a": "x"}]}, Some((Equal(A, numbers=(1,)), Equal(A, texts=("x",))))),
        ({"$or": [{"a": 1}, {}]}, ALWAYS),
        ({"$not": {"a": 1}}, Not(Equal(A, numbers=(1,)))),
        ({"$not": {}}, Not(ALWAYS)),
        ({"$attributes": {"a": 1}}, OfEntity(Equal(A, numbers=(1,)))),
        ({"$attributes": {}}, ALWAYS),
        ({"engine.rpm": {"$exists": True}}, Exists(("engine", "rpm"))),
        ({r"a\.b": {"$exists": True}}, Exists(("a.b",))),
        ({r"\$ref": {"$exists": True}}, Exists(("$ref",))),
        ({r"a\\": {"$exists": True}}, Exists(("a\\",))),
        ({"a\\": {"$exists": True}}, Exists(("a\\",))),
        ({"a.$b": {"$exists": True}}, Exists(("a", "$b"))),
    ],
)
def test_a_filter_becomes_a_predicate(given, predicate):
    assert parse_filter(given).predicate == predicate


def test_true_is_not_one_though_python_says_so():
    """Masks are remembered by predicate: two that differ must not be equal."""
    for one, other in [(True, 1), (False, 0), (None, 0), ("1", 1), (1.5, "1.5")]:
        assert parse_filter({"a": one}) != parse_filter({"a": other})
        assert parse_filter({"a": {"$in": [one]}}) != parse_filter({"a": {"$in": [other]}})


@given(filters())
def test_predicates_are_hashable_and_equal_however_numbers_are_written(given):
    parsed = parse_filter(given)
    again = parse_filter(json.loads(json.dumps(given)))
    assert parsed == again
    assert hash(parsed.predicate) == hash(again.predicate)


@given(st.lists(names, min_size=1, max_size=4))
def test_any_names_can_be_written_as_a_path(path):
    assert parse_filter({written(path): {"$exists": True}}).predicate == Exists(tuple(path))


def nested(depth):
    return {"$not": nested(depth - 1)} if depth > 1 else {"a": 1}


@pytest.mark.parametrize(
    ("given", "field", "problem"),
    [
        (3, "filter", "expected an object"),
        ([], "filter", "not an empty list"),
        ("{}", "filter", "not text"),
        ({"speed": {"$gtt": 3}}, "filter.speed.$gtt", "no such operator; of a value there are $eq"),
        ({"speed": {"$gt": True}}, "filter.speed.$gt", "only numbers and texts have an order"),
        ({"speed": {"$gt": None}}, "filter.speed.$gt", "not null"),
        ({"speed": {"$gt": [1]}}, "filter.speed.$gt", "not a list"),
        ({"speed": {"$lt": {"a": 1}}}, "filter.speed.$lt", "not an object"),
        ({"speed": {"$gt": float("nan")}}, "filter.speed.$gt", "not finite"),
        ({"speed": float("inf")}, "filter.speed", "not finite"),
        ({"speed": 2**64}, "filter.speed", "beyond 64 bits"),
        ({"speed": -(2**63) - 1}, "filter.speed", "beyond 64 bits"),
        ({"speed": []}, "filter.speed", "not an empty list"),
        ({"speed": {}}, "filter.speed", "expected an operator"),
        ({"speed": {"rpm": 3}}, "filter.speed.rpm", "by a dotted path"),
        ({"speed": {3: 3}}, "filter.speed.a number", "by a dotted path"),
        ({"speed": object()}, "filter.speed", "not object"),
        ({"speed": b"x"}, "filter.speed", "not bytes"),
        ({3: 3}, "filter", "a path is text, not a number"),
        ({"speed": {"$in": 3}}, "filter.speed.$in", "expected a list of values, not a number"),
        ({"speed": {"$in": [1, [2]]}}, "filter.speed.$in[1]", "not a list"),
        ({"speed": {"$nin": [{}]}}, "filter.speed.$nin[0]", "not an object"),
        ({"speed": {"$exists": 1}}, "filter.speed.$exists", "true or false"),
        ({"speed": {"$not": 1}}, "filter.speed.$not", "expected operators"),
        ({"speed": {"$not": {}}}, "filter.speed.$not", "expected an operator"),
        ({"speed": {"$not": {"$x": 1}}}, "filter.speed.$not.$x", "no such operator"),
        ({"$or": []}, "filter.$or", "at least one"),
        ({"$and": {"a": 1}}, "filter.$and", "not an object"),
        ({"$or": [{"a": 1}, 2]}, "filter.$or[1]", "expected an object"),
        ({"$or": [{"a": 1}, {"b": {"$gt": []}}]}, "filter.$or[1].b.$gt", "not an empty list"),
        ({"$not": [{"a": 1}]}, "filter.$not", "expected an object"),
        ({"$nor": [{"a": 1}]}, "filter.$nor", "in this place there are $and"),
        ({"$attributes": {"$attributes": {}}}, "filter.$attributes.$attributes", "already"),
        (
            {"$attributes": {"$not": {"$attributes": {}}}},
            "filter.$attributes.$not.$attributes",
            "already",
        ),
        ({"": 1}, "filter.", "a path is names"),
        ({"a..b": 1}, "filter.a..b", "a path is names"),
        ({".a": 1}, "filter..a", "a path is names"),
        ({"a\ud800": 1}, "filter.a?", "not valid Unicode"),
        ({"a": "\ud800"}, "filter.a", "not valid Unicode"),
        ({".".join("a" * 33): 1}, "filter." + ".".join("a" * 33)[:63] + "…", "metadata_depth_max"),
        ({"x" * 70: {"$y": 1}}, "filter." + "x" * 63 + "….$y", "no such operator"),
        (nested(17), "filter" + ".$not" * 16, "filter_depth_max"),
        ({"a": {"$in": list(range(999))}}, "filter", "filter_terms_max"),
        ({"$or": [{"a": 1}] * 500}, "filter", "filter_terms_max"),
        ({f"a{n}": 1 for n in range(1_001)}, "filter", "filter_terms_max"),
        ({"a": {"$in": ["x" * (256 << 10)]}}, "filter", "filter_bytes_max"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(given, field, problem):
    with pytest.raises(InvalidRequestError) as caught:
        record_of(Wanted, {"filter": given})
    [detail] = caught.value.details
    assert detail.field == field
    assert problem in detail.message
    assert caught.value.message == f"{field}: {detail.message}"
    assert len(caught.value.message) < 2_000


def test_the_limits_themselves_are_allowed():
    parse_filter(nested(LIMITS.filter_depth_max))
    parse_filter({"a": {"$in": list(range(LIMITS.filter_terms_max - 2))}})
    parse_filter({"a": "x" * (LIMITS.filter_bytes_max - 1)})
    parse_filter({".".join("a" * LIMITS.metadata_depth_max): 1})


def test_what_is_much_too_large_is_refused_at_once():
    endless = nested(900)
    for much in (endless, {"a": {"$in": [0] * 10_000_000}}, {"$or": [{}] * 1_000_000}):
        with pytest.raises(FilterError):
            parse_filter(much)


def test_a_filter_is_sent_on_as_it_was_given():
    given = {"b": {"$in": [2, 1.0]}, "a": {"$gt": 3}}
    wanted = Wanted(filter=given)
    assert json.loads(wanted.model_dump_json()) == {"filter": given}
    assert wanted.model_dump() == {"filter": given}
    assert Wanted(filter=wanted.filter) == wanted
    assert Wanted(filter=None).filter is None


def test_its_schema_is_an_object():
    kinds = Wanted.model_json_schema()["properties"]["filter"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["object", "null"]


def test_a_key_given_twice_is_refused_inside_of_a_filter_too():
    body = b'{"query_vector": [1.0], "filter": {"$or": [{"a": 1, "b": 2, "a": 3}]}}'
    with pytest.raises(InvalidRequestError, match="more than once"):
        decode_json(TemporalKnnRequest, body)


def test_json_that_python_alone_can_read_is_refused():
    for number in (b"NaN", b"Infinity", b"1e999", b"18446744073709551616"):
        body = b'{"query_vector": [1.0], "filter": {"a": ' + number + b"}}"
        with pytest.raises((InvalidRequestError, ValueError)):
            decode_json(TemporalKnnRequest, body)

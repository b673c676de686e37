"""Paths and query strings become records."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from pydantic import ValidationError
from starlette.requests import Request

from tsvec.model.errors import InvalidRequestError
from tsvec.model.filters.parser import parse_filter
from tsvec.model.limits import LIMITS, in_force
from tsvec.model.lists.requests import EntitiesRequest, PointsRequest
from tsvec.model.queries import DeletedPointsRequest, HistoryRequest, WindowsRequest
from tsvec.model.times import SEQ_MAX, AsOf, time_from_rfc3339
from tsvec.server.parameters import (
    EntityAtParameters,
    EntityParameters,
    PageParameters,
    collection_name,
    path_text,
    read_query,
    refuse_query,
)


@pytest.fixture(autouse=True)
def _default_limits():
    with in_force(LIMITS):
        yield


def request(query: str = "", **path: str) -> Request:
    scope = {"type": "http", "query_string": query.encode(), "path_params": path}
    return Request(scope | {"headers": []})


def test_numbers_times_and_lists():
    query = "limit=7&start_time=2020-01-01T00:00:00+01:00&include=vector&include=metadata"
    found = read_query(request(query), HistoryRequest, entity_id="a/b")
    assert (found.entity_id, found.limit, found.include) == ("a/b", 7, ["vector", "metadata"])
    assert found.start_time == time_from_rfc3339("2019-12-31T23:00:00Z")


def test_nothing_given_is_the_default():
    assert read_query(request(), PageParameters) == PageParameters()
    assert read_query(request("include="), HistoryRequest, entity_id="a").include == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("x=1", "x"),
        ("limit=1&limit=1", "limit"),
        ("cursor=a&cursor=b", "cursor"),
        ("limit", "limit"),
    ],
)
def test_unknown_and_repeated(query, field):
    with pytest.raises((InvalidRequestError, ValidationError), match=field):
        read_query(request(query), PageParameters)


@pytest.mark.parametrize("number", ["1.0", "1_0", " 1", "+1", "0x1", "٣", "1e3", "-", "", "9" * 99])
def test_what_is_no_number(number):
    with pytest.raises(ValidationError):
        read_query(request(f"limit={number}"), PageParameters)


def test_a_plus_is_a_space_but_in_the_offset_of_a_time():
    found = read_query(request("entity_ids=a+b%2Bc&entity_ids=d%20e"), PointsRequest)
    assert found.entity_ids == ["a b+c", "d e"]
    assert read_query(request("prefix=a+b"), EntitiesRequest).prefix == "a b"
    for time in ("2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00%2B01:00"):
        found = read_query(request(f"start_time={time}&as_of={time}"), PointsRequest)
        assert found.start_time == found.as_of.time == time_from_rfc3339("2019-12-31T23:00:00Z")


def test_a_filter_is_json_text():
    query = "filter=" + quote('{"a+b": {"$gt": 1e+2}, "c": "d e"}')
    found = read_query(request(query), PointsRequest)
    assert found.filter == parse_filter({"a+b": {"$gt": 100}, "c": "d e"})
    assert read_query(request("filter=%7B%22a%22:+1%7D"), PointsRequest).filter is not None
    for text, field in (("", "filter"), ("1", "filter"), ('{"a":1,"a":2}', "filter.a")):
        with pytest.raises(InvalidRequestError) as caught:
            read_query(request(f"filter={quote(text)}"), PointsRequest)
        assert caught.value.details[0].field == field
    with pytest.raises(InvalidRequestError, match="more than once"):
        read_query(request("filter={}&filter={}"), PointsRequest)
    with pytest.raises(ValidationError, match="no such operator"):
        read_query(request("filter=" + quote('{"a":{"$x":1}}')), PointsRequest)


def test_text_stays_text():
    assert read_query(request("cursor=12"), PageParameters).cursor == "12"
    with pytest.raises(ValidationError, match="an RFC 3339 time"):
        read_query(request("start_time=12"), WindowsRequest)


def test_a_value_of_the_path_cannot_be_given_again():
    with pytest.raises(InvalidRequestError, match="entity_id"):
        read_query(request("entity_id=b"), HistoryRequest, entity_id="a")


def test_windows_have_a_range_in_order():
    with pytest.raises(ValidationError, match="must not be after"):
        read_query(
            request("start_time=2020-01-02T00:00:00Z&end_time=2020-01-01T00:00:00Z"),
            WindowsRequest,
        )


def test_a_read_may_say_when():
    found = read_query(request(f"as_of=7&wait_for_seq={SEQ_MAX}"), WindowsRequest)
    assert (found.as_of, found.wait_for_seq) == (AsOf(seq=7), SEQ_MAX)
    found = read_query(
        request("as_of=1970-01-01T01:00:00+01:00"), EntityAtParameters, entity_id="a"
    )
    assert found.as_of == AsOf(time=0)
    with pytest.raises(InvalidRequestError, match="as_of"):
        read_query(request("as_of=7"), EntityParameters, entity_id="a")


@pytest.mark.parametrize("name", ["as_of", "wait_for_seq"])
@pytest.mark.parametrize("text", ["-1", "", "now", "1.0", f"{SEQ_MAX + 1}", "2020-01-01"])
def test_what_is_no_moment(name, text):
    with pytest.raises(ValidationError, match=name):
        read_query(request(f"{name}={text}"), WindowsRequest)


def test_a_list_may_be_left_out_be_empty_or_hold_numbers_as_text():
    assert read_query(request(), DeletedPointsRequest).entity_ids is None
    assert read_query(request("entity_ids="), DeletedPointsRequest).entity_ids == []
    found = read_query(request("entity_ids=7&entity_ids=b"), DeletedPointsRequest)
    assert found.entity_ids == ["7", "b"]


@pytest.mark.parametrize("query", ["a=%ff", "&".join(["entity_ids=a"] * 1_101)])
def test_a_query_string_that_cannot_be_read(query):
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_query(request(query), DeletedPointsRequest)


def test_a_list_may_be_as_long_as_its_limit():
    query = "&".join(["entity_ids=a"] * LIMITS.selector_items_max)
    assert len(read_query(request(query), DeletedPointsRequest).entity_ids) == 1_000
    with pytest.raises(ValidationError, match="at most 1000 items"):
        read_query(request(f"{query}&entity_ids=a"), DeletedPointsRequest)


def test_an_operation_without_parameters():
    refuse_query(request())
    with pytest.raises(InvalidRequestError, match="pretty"):
        refuse_query(request("pretty=1"))


def test_path_texts_are_decoded_strictly():
    assert path_text(request(entity_id="a%2Fb%20%C3%BC+"), "entity_id") == "a/b ü+"
    for wrong in ("%ff", "%ed%a0%80"):
        with pytest.raises(InvalidRequestError, match="UTF-8"):
            path_text(request(entity_id=wrong), "entity_id")


def test_collection_names_are_checked():
    assert collection_name(request(collection="sto%72ms")) == "storms"
    with pytest.raises(InvalidRequestError, match="collection"):
        collection_name(request(collection="%2e%2e"))


def test_a_parameter_of_nearly_that_name_is_suggested():
    with pytest.raises(InvalidRequestError, match=r"did you mean 'start_time'\?"):
        read_query(request("start_tim=1"), PointsRequest)

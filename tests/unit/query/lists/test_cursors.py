"""Cursors: for one question, one collection, one moment."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import orjson
import pytest

from tsvec.model.errors import InvalidRequestError
from tsvec.model.lists.requests import PointsRequest
from tsvec.model.queries import HistoryRequest
from tsvec.query.lists.cursors import begin_page, read_cursor, write_cursor

SHAPE = (int, str)
PLACE = (5, "é\U0001f300")


@pytest.fixture
def windows(shelf):
    made = shelf()
    made.seq = 9
    return made.windows


def request(cursor=None, **fields):
    return PointsRequest(cursor=cursor, **fields)


def decoded(cursor):
    return orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def encoded(value):
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def refused(windows, asked):
    with pytest.raises(InvalidRequestError) as caught:
        begin_page(windows, asked, SHAPE)
    assert caught.value.details[0].field == "cursor"
    return caught.value.message


def test_a_page_begins_behind_the_place_at_the_moment_of_the_first(windows):
    assert begin_page(windows, request(), SHAPE) == (windows, None)
    cursor = write_cursor(windows.at(4), request(filter={"a": 1}), PLACE)
    assert set(cursor) <= set("-_") | set(map(chr, range(128))) - set("+/=")
    begun, place = begin_page(windows, request(cursor, filter={"a": 1}), SHAPE)
    assert (begun.seq, place) == (4, PLACE)
    assert read_cursor(windows.history, request(cursor, filter={"a": 1})).seq == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": 7},
        {"include": []},
        {"wait_for_seq": 3},
        {"as_of": 4},
    ],
)
def test_what_does_not_choose_items_may_change(windows, fields):
    cursor = write_cursor(windows.at(4), request(), PLACE)
    assert begin_page(windows, request(cursor, **fields), SHAPE)[1] == PLACE


@pytest.mark.parametrize(
    "fields",
    [
        {"order": "desc"},
        {"start_time": 1},
        {"entity_ids": ["a"]},
        {"entity_ids": []},
        {"entity_types": ["a"]},
        {"filter": {"a": 1}},
        {"filter": {"$attributes": {"a": 1}}},
    ],
)
def test_a_cursor_of_another_question_is_refused(windows, fields):
    one, other = request(), request(**fields)
    assert "another question" in refused(
        windows, request(write_cursor(windows, one, PLACE), **fields)
    )
    assert "another question" in refused(windows, request(write_cursor(windows, other, PLACE)))


def test_a_cursor_of_another_list_or_collection_is_refused(windows):
    history = HistoryRequest(entity_id="a")
    asked = request(write_cursor(windows, history, PLACE))
    assert "one of get_history, not of list_points" in refused(windows, asked)
    elsewhere = replace(windows, history="other")
    asked = request(write_cursor(elsewhere, request(), PLACE))
    assert "another question" in refused(windows, asked)


def test_as_of_is_that_of_the_first_page(windows):
    time = "2026-01-31T12:00:00Z"
    cursor = write_cursor(windows.at(4), request(as_of=time), PLACE)
    for as_of in (None, time, "2026-01-31T13:00:00+01:00", 4):
        later = request(cursor, as_of=as_of)
        assert begin_page(windows, later, SHAPE)[0].seq == 4
        again = write_cursor(windows.at(4), later, PLACE)
        assert begin_page(windows, request(again, as_of=time), SHAPE)[0].seq == 4
    for as_of in (5, "2026-01-31T12:00:01Z"):
        assert "as of" in refused(windows, request(cursor, as_of=as_of))


def test_a_changed_cursor_is_refused(windows):
    cursor = write_cursor(windows, request(), PLACE)
    parts = decoded(cursor)
    for place, value in ((1, 3), (2, "4"), (3, [6, "a"]), (4, "0" * 24)):
        changed = [value if n == place else part for n, part in enumerate(parts)]
        assert "another question" in refused(windows, request(encoded(changed)))
    for end in range(len(cursor)):
        refused(windows, request(cursor[:end]))


def test_what_is_no_cursor_is_refused(windows):
    texts = ["", "x", "AAAA", "é", "💥", "=", "\0", "9" * 9_000]
    values = [None, 1, [], {}, "a", [1, 2, 3, 4, 5], ["list_points", True, None, [], ""]]
    values += [["list_points", -1, None, [], "x"], ["list_points", 1.0, None, [], "x"]]
    values += [["list_points", 1, 2, [], "x"], ["list_points", 1, None, {}, "x"]]
    for cursor in [*texts, *map(encoded, values)]:
        assert refused(windows, request(cursor)).startswith("cursor ")


def test_a_place_of_another_shape_is_refused(windows):
    for place in ((), (5,), (5, 5), ("a", "a"), (5, "a", 1), (True, "a"), (2**62 + 1, "a")):
        assert "no place" in refused(windows, request(write_cursor(windows, request(), place)))


def test_a_moment_that_has_not_come_is_refused(windows):
    cursor = write_cursor(windows.at(10), request(), PLACE)
    assert "change 10, but the last one is 9" in refused(windows, request(cursor))

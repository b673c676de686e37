from __future__ import annotations

import pytest
import typer

from tsvec.cli.options import instant, json_object, moment, point, vector
from tsvec.model.errors import InvalidRequestError
from tsvec.model.times import AsOf


def test_a_vector_is_text_or_a_file_of_text(tmp_path):
    path = tmp_path / "vector.json"
    path.write_text("[1, -2.5]\n")
    assert vector("1,-2.5").tolist() == vector(f"@{path}").tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [("north", "'north' is no vector"), ("@nowhere.json", "nowhere.json: No such file")],
)
def test_what_is_no_vector_is_wrong_usage(text, message):
    with pytest.raises(typer.BadParameter, match=message):
        vector(text)


def test_an_instant_is_a_time_or_a_date():
    assert instant("2026-01-31") == instant("2026-01-31T00:00:00Z")
    with pytest.raises(typer.BadParameter, match=r"'noon': an RFC 3339 time .*or a date alone"):
        instant("noon")


def test_a_moment_is_a_seq_a_time_or_a_date():
    assert moment("42") == AsOf(seq=42)
    assert moment("2026-01-31") == AsOf(time=instant("2026-01-31"))
    with pytest.raises(typer.BadParameter, match="'-1': an RFC 3339 time"):
        moment("-1")


def test_a_point_is_an_entity_at_a_time():
    named = point("a@b@2026-01-31")
    assert (named.entity_id, named.timestamp, named.key) == ("a@b", instant("2026-01-31"), None)
    with pytest.raises(typer.BadParameter, match="ENTITY@TIME"):
        point("2026-01-31")
    with pytest.raises(InvalidRequestError, match="entity_id"):
        point("@2026-01-31")


def test_objects_are_json():
    assert json_object('{"a": {"$gt": 1}}') == {"a": {"$gt": 1}}
    for text in ("", "x", "[]", "1", '{"a": 1, "a": 2}', "\ufeff{}"):
        with pytest.raises(typer.BadParameter):
            json_object(text)

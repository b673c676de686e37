from __future__ import annotations

import io
import json
import sys

import pytest


def ids(ok, loaded, *arguments):
    reply = json.loads(ok("entities", "list", *arguments, "--json", *loaded))
    return [item["entity_id"] for item in reply["items"]]


def test_entities_are_listed_and_sorted(loaded, ok, rows):
    assert ids(ok, loaded) == ["000", "001", "002", "003", "004"]
    assert ids(ok, loaded, "--order", "desc", "--limit", 2) == ["004", "003"]
    assert ids(ok, loaded, "--prefix", "003") == ["003"]
    assert ids(ok, loaded, "--type", "BUOY") == ["003", "004"]
    assert ids(ok, loaded, "--sort", "last_seen", "--order", "desc")[0] == rows.entity_id[-1]
    span = ["--start", rows.timestamp[0].isoformat(), "--end", rows.timestamp[2].isoformat()]
    assert ids(ok, loaded, *span) == ["000", "001"]
    ok("entities", "attributes", "002", "--set", '{"flag": "NL"}', *loaded)
    assert ids(ok, loaded, "--filter", '{"flag": "NL"}') == ["002"]
    told = ok("entities", "list", "--limit", 3, *loaded)
    assert "3 entities, as of seq 58\nmore with --cursor" in told
    assert "flag=NL" in told
    first = json.loads(ok("entities", "list", "--limit", 3, "--json", *loaded))
    assert ids(ok, loaded, "--cursor", first["next_cursor"]) == ["003", "004"]


def test_an_entity_is_described(loaded, ok, rows):
    found = json.loads(ok("entities", "get", "003", "--json", *loaded))
    assert (found["points"], found["entity_type"]) == (rows.entity_id.count("003"), "BUOY")
    told = ok("entities", "get", "003", *loaded)
    assert "BUOY" in told
    assert "as of seq 57" in told
    past = json.loads(ok("entities", "get", "003", "--as-of", 10, "--json", *loaded))
    assert past["points"] == rows.entity_id[:10].count("003")


def test_attributes_are_set_and_merged(loaded, ok):
    def attributes(*arguments):
        return json.loads(ok("entities", "attributes", "003", *arguments, "--json", *loaded))

    assert attributes()["attributes"] == {}
    assert "never set" in ok("entities", "attributes", "003", *loaded)
    assert attributes("--set", '{"a": 1, "b": {"c": 2}}')["changed_seq"] == 58
    assert attributes("--merge", '{"a": null, "b": {"d": 3}}')["attributes"] == {
        "b": {"c": 2, "d": 3}
    }
    assert attributes("--as-of", 58)["attributes"] == {"a": 1, "b": {"c": 2}}
    assert "set with change 59, as of seq 59" in ok("entities", "attributes", "003", *loaded)


def test_deleting_an_entity_asks_first(loaded, run, ok, rows, monkeypatch):
    mine = rows.entity_id.count("003")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, out, err = run("entities", "delete", "003", *loaded)
    assert (code, out) == (1, "")
    assert f"delete '003' with {mine} points? [y/N]" in err
    told = ok("entities", "delete", "003", "--yes", *loaded)
    assert f"{mine} points deleted" in told
    assert "003" not in ids(ok, loaded)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get", "nobody"], 1, "there is no entity 'nobody'"),
        (["delete", "nobody", "--yes"], 1, "there is no entity 'nobody'"),
        (["attributes", "nobody"], 1, "there is no entity 'nobody'"),
        (["attributes", "003", "--set", "{}", "--merge", "{}"], 2, "one of --set, --merge"),
        (["attributes", "003", "--set", "1"], 2, "a JSON object is expected"),
        (["list", "--sort", "size"], 2, "size"),
        (["list", "--prefix", ""], 1, "prefix"),
        (["list", "--filter", '{"$attributes": {"a": 1}}'], 1, "leave `$attributes` out"),
        (["list", "--cursor", "x"], 1, "is not a next_cursor"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(loaded, run, arguments, code, message):
    found, out, err = run("entities", *arguments, *loaded)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


def test_a_history_may_be_sampled(loaded, ok, rows):
    found = json.loads(ok("entities", "history", "003", "--every", "2h", "--json", *loaded))
    mine = [
        time for time, name in zip(rows.timestamp, rows.entity_id, strict=True) if name == "003"
    ]
    newest = {time.replace(hour=time.hour // 2 * 2, minute=0, second=0, microsecond=0): time
              for time in mine}  # fmt: skip
    assert [item["timestamp"] for item in found["items"]] == [
        time.isoformat().replace("+00:00", "Z") for time in newest.values()
    ]
    bare = json.loads(ok("history", "003", "--no-metadata", "--json", *loaded))
    assert all("metadata" not in item for item in bare["items"])


def test_with_a_key_an_entity_is_changed_and_deleted_once(loaded, ok):
    merge = ("entities", "attributes", "003", "--merge", '{"a": 1}')
    first = ok(*merge, "--idempotency-key", "m", "--json", *loaded)
    ok("entities", "attributes", "003", "--merge", '{"a": 2}', *loaded)
    assert ok(*merge, "--idempotency-key", "m", "--json", *loaded) == first
    delete = ("entities", "delete", "003", "--yes", "--idempotency-key", "d", "--json", *loaded)
    assert ok(*delete) == ok(*delete)

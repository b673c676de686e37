from __future__ import annotations

import json

import pytest


def listed(ok, loaded, *arguments):
    return json.loads(ok("points", "list", *arguments, "--json", *loaded))["items"]


def test_points_are_listed_page_by_page(loaded, ok, rows):
    first = json.loads(ok("points", "list", "--limit", 50, "--json", *loaded))
    cursor = ["--cursor", first["next_cursor"]]
    rest = json.loads(ok("points", "list", *cursor, "--json", *loaded))
    found = first["items"] + rest["items"]
    assert [point["entity_id"] for point in found] == rows.entity_id
    assert "50 points, as of seq 57\nmore with --cursor" in ok(
        "points", "list", "--limit", 50, *loaded
    )


def test_points_are_selected(loaded, ok, rows):
    mine = [row for row in range(len(rows)) if rows.entity_id[row] == "003"]
    assert len(listed(ok, loaded, "--id", "003")) == len(mine)
    assert len(listed(ok, loaded, "--type", "BUOY")) == rows.entity_type.count("BUOY")
    fast = [speed for speed in rows.speed if speed > 10]
    assert len(listed(ok, loaded, "--filter", '{"speed": {"$gt": 10}}')) == len(fast)
    assert listed(ok, loaded, "--id", "nobody") == []
    span = ["--start", rows.timestamp[10].isoformat(), "--end", rows.timestamp[20].isoformat()]
    newest_first = listed(ok, loaded, *span, "--order", "desc", "--vectors")
    assert [point["entity_id"] for point in newest_first] == rows.entity_id[19:9:-1]
    assert len(newest_first[0]["vector"]) == 3


def test_a_point_is_shown_and_changed(loaded, ok, rows):
    which = [rows.entity_id[4], rows.timestamp[4].isoformat()]
    found = json.loads(ok("points", "get", *which, "--vectors", "--json", *loaded))
    assert (found["metadata"], len(found["vector"])) == ({"speed": rows.speed[4]}, 3)
    assert f"speed={rows.speed[4]}" in ok("points", "get", *which, *loaded)
    patch = '{"speed": null, "checked": {"by": "é"}}'
    told = ok("points", "update", *which, patch, *loaded)
    assert "stored and on disk, seq 58" in told
    assert "nothing changed, seq 58" in ok("points", "update", *which, patch, *loaded)
    now = json.loads(ok("points", "get", *which, "--json", *loaded))
    assert now["metadata"] == {"checked": {"by": "é"}}
    before = json.loads(ok("points", "get", *which, "--as-of", 57, "--json", *loaded))
    assert before["metadata"] == found["metadata"]


def test_deletes_are_here_too(loaded, ok, rows):
    mine = rows.entity_id.count("003")
    ok("points", "delete", "--id", "003", "--yes", *loaded)
    assert len(json.loads(ok("points", "deleted", "--json", *loaded))["items"]) == mine
    ok("points", "restore", "--id", "003", "--yes", *loaded)
    assert len(listed(ok, loaded)) == len(rows)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["points", "get", "003", "2020-01-01"], 1, "'003' has no point at 2020-01-01"),
        (["points", "get", "003", "2020-01-01", "--key", "k"], 1, "no point of key 'k'"),
        (["points", "get", "003", "noon"], 2, "noon"),
        (["points", "get", "003"], 2, "Missing argument 'TIME'"),
        (["points", "update", "003", "2020-01-01", "{}"], 1, "has no point"),
        (["points", "update", "003", "2020-01-01", "[]"], 2, "a JSON object is expected"),
        (["points", "list", "--cursor", "x"], 1, "is not a next_cursor"),
        (["points", "list", "--filter", "x"], 2, "Invalid JSON"),
        (["points", "list", "--filter", '{"a": {"$x": 1}}'], 1, "filter.a.$x: no such operator"),
        (["points", "list", "--limit", "0"], 2, "greater than or equal to 1"),
        (["points", "list", "--as-of", "99"], 1, "the last one is 57"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(loaded, run, arguments, code, message):
    found, out, err = run(*arguments, *loaded)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err

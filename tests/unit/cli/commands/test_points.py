from __future__ import annotations

import io
import json
import sys

import pytest


@pytest.fixture
def count(ok, loaded):
    """How many points there are."""

    def points():
        found = json.loads(ok("info", "--json", *loaded[2:]))
        return found["collections"][0]["stats"]["points"]

    return points


def said(answer, run, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    return run(*arguments)


def test_delete_asks_first_and_tells_how_to_undo(loaded, run, ok, count, rows, monkeypatch):
    mine = rows.entity_id.count("003")
    code, out, err = said("n\n", run, monkeypatch, "delete", "--id", "003", *loaded)
    assert (code, out) == (1, "")
    assert f"delete {mine} points of 'ships'? [y/N]" in err
    assert count() == len(rows)
    code, out, _ = said("y\n", run, monkeypatch, "delete", "--id", "003", *loaded)
    assert code == 0
    assert f"{mine} points deleted" in out
    assert count() == len(rows) - mine
    first, last = len(rows) + 1, len(rows) + mine
    undo = f"restore --first-seq {first} --last-seq {last}"
    assert f"undo with `tsvec {undo}`" in out
    assert f"{mine} points came back" in ok(*undo.split(), "--yes", *loaded)
    assert count() == len(rows)


def test_nobody_there_to_ask(loaded, run, count, rows, monkeypatch):
    code, _, err = said("", run, monkeypatch, "delete", "--id", "003", *loaded)
    assert code == 1
    assert "--yes goes on without asking" in err
    assert count() == len(rows)


def test_a_dry_run_only_counts(loaded, ok, count, rows):
    mine = rows.entity_id.count("003")
    assert f"{mine} points would be deleted" in ok("delete", "--id", "003", "--dry-run", *loaded)
    assert count() == len(rows)
    ok("delete", "--id", "003", "--yes", *loaded)
    found = json.loads(ok("restore", "--id", "003", "--dry-run", "--json", *loaded))
    assert (found["restored"], found["dry_run"]) == (mine, True)
    assert count() == len(rows) - mine


def test_nothing_to_delete_is_not_asked_about(loaded, ok, count, rows):
    assert "0 points deleted" in ok("delete", "--id", "nobody", *loaded)
    assert count() == len(rows)


def test_points_are_named_on_the_line_and_in_files(loaded, ok, count, rows, tmp_path, monkeypatch):
    named = [
        {"entity_id": rows.entity_id[row], "timestamp": rows.timestamp[row].isoformat()}
        for row in range(4)
    ]
    first = f"{named[0]['entity_id']}@{named[0]['timestamp']}"
    path = tmp_path / "named.jsonl"
    path.write_text("\n".join(json.dumps(name) for name in named[1:3]) + "\n\n")
    ok("delete", "--point", first, "--points", path, "--yes", *loaded)
    assert count() == len(rows) - 3
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(named[3]).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    ok("delete", "--points", "-", "--yes", *loaded)
    assert count() == len(rows) - 4
    again = json.loads(ok("delete", "--points", path, "--yes", "--json", *loaded))
    assert (again["deleted"], again["missing"]) == (0, 2)
    assert "3 points came back" in ok(
        "restore", "--point", first, "--points", path, "--yes", *loaded
    )


def test_a_range_of_time(loaded, ok, count, rows):
    span = ["--start", rows.timestamp[10].isoformat(), "--end", rows.timestamp[20].isoformat()]
    ok("delete", *span, "--yes", *loaded)
    assert count() == len(rows) - 10
    ok("restore", *span, "--yes", *loaded)
    assert count() == len(rows)


def test_deleted_points_are_listed_page_by_page(loaded, ok, rows):
    mine = rows.entity_id.count("003")
    ok("delete", "--id", "003", "--yes", *loaded)
    first = json.loads(ok("deleted", "--limit", 4, "--json", *loaded))
    rest = json.loads(ok("deleted", "--cursor", first["next_cursor"], "--json", *loaded))
    found = first["items"] + rest["items"]
    assert len(found) == mine
    assert {point["entity_id"] for point in found} == {"003"}
    assert json.loads(ok("deleted", "--id", "001", "--json", *loaded))["items"] == []
    before = json.loads(ok("deleted", "--as-of", len(rows), "--json", *loaded))
    assert before["items"] == []
    assert "deleted (UTC)" in ok("deleted", *loaded)


def test_questions_can_be_asked_of_the_past(loaded, ok, rows):
    before = json.loads(ok("history", "003", "--json", *loaded))
    nearest = json.loads(ok("knn", "--entity", "003", "-k", 3, "--json", *loaded))
    ok("delete", "--id", "003", "--yes", *loaded)
    past = ["--as-of", len(rows), "--json", *loaded]
    assert json.loads(ok("history", "003", *past)) == before
    assert json.loads(ok("knn", "--entity", "003", "-k", 3, *past)) == nearest


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["delete"], 1, "an empty selector selects nothing"),
        (["restore"], 1, "an empty selector selects nothing"),
        (["restore", "--first-seq", "5", "--last-seq", "4"], 1, "must not be after"),
        (["delete", "--point", "a"], 2, "ENTITY@TIME"),
        (["delete", "--point", "a@noon"], 2, "noon"),
        (["delete", "--points", "nowhere"], 1, "nowhere: No such file"),
        (["delete", "--point", "a@2026-01-31", "--id", "a"], 1, "either points"),
        (["delete", "--id", "a", "--data", "nowhere"], 1, "nowhere holds no database"),
        (["deleted", "--limit", "0"], 2, "greater than or equal to 1"),
        (["deleted", "--as-of", "now"], 2, "'now'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(run, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "names no point"), ('{"entity_id": "a"}', "line 1"), ("\n\nx", "line 3")],
)
def test_a_file_that_names_no_points(run, tmp_path, text, message):
    path = tmp_path / "named.jsonl"
    path.write_text(text)
    code, _, err = run("delete", "--points", path)
    assert code == 2
    assert message in err


def test_points_are_deleted_by_a_filter(loaded, ok, count, rows):
    fast = sum(speed > 10 for speed in rows.speed)
    ok("delete", "--filter", '{"speed": {"$gt": 10}}', "--yes", *loaded)
    assert count() == len(rows) - fast


def test_with_a_key_a_change_is_made_once_however_often_it_is_asked_for(loaded, ok, count, rows):
    delete = ("delete", "--id", "003", "--yes", "--idempotency-key", "k", "--json", *loaded)
    first = ok(*delete)
    restore = ("restore", "--id", "003", "--yes", "--idempotency-key", "r", "--json", *loaded)
    back = ok(*restore)
    assert count() == len(rows)
    assert ok(*delete) == first
    assert ok(*restore) == back
    assert count() == len(rows)

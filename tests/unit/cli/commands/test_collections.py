from __future__ import annotations

import io
import json
import sys

import pytest

from tests.unit.engine.rig import wait_until
from tsvec.cli.commands import collections
from tsvec.cli.serve import listen, running
from tsvec.engine.database import Database
from tsvec.model.collections import CompactionStatus
from tsvec.model.settings import Settings
from tsvec.server.serve import build_server


def test_a_collection_is_made_and_changed(target, ok):
    made = ok("create", "ships", "--dim", 3, "--metric", "l2", "--retention", "30d", *target)
    assert "retention         30d" in made
    changed = json.loads(
        ok(
            "update",
            "ships",
            *("--window-size", "1d", "--allowed-lateness", "2h", "--retention", "none"),
            *("--history-horizon", "1d", "--json", *target),
        )
    )
    assert (changed["window_size"], changed["allowed_lateness"]) == ("1d", "2h")
    assert (changed["retention"], changed["history_horizon"]) == (None, "1d")
    again = json.loads(ok("update", "ships", "--allowed-lateness", "none", "--json", *target))
    assert again["allowed_lateness"] is None


def test_a_load_may_make_a_collection_with_durations(target, ok, write):
    path = write("points.npz")
    options = ["--retention", "3650d", "--history-horizon", "1d", "--allowed-lateness", "5h"]
    ok("ingest", path, "-c", "ships", "--create", *options, *target)
    found = json.loads(ok("info", "--json", *target))["collections"][0]["collection"]
    assert (found["retention"], found["history_horizon"]) == ("3650d", "1d")
    assert found["allowed_lateness"] == "5h"


def test_loading_again_changes_nothing(target, ok, run, write, rows):
    path = write("points.parquet")
    ok("ingest", path, *target)
    assert f"{len(rows)} unchanged" in ok("ingest", path, *target)
    again = json.loads(ok("ingest", path, "--on-conflict", "ignore", "--json", *target))
    assert (again["ingested"], again["unchanged"]) == (0, len(rows))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["create", "ships"], 2, "--dim"),
        (["create", "a/b", "--dim", 3], 1, "a collection name is"),
        (["create", "ships", "--dim", 3, "--retention", "1w"], 1, "retention: a duration is"),
        (["update", "ships"], 1, "at least one of"),
        (["update", "ships", "--window-size", "none"], 1, "leave the field out"),
        (["update", "ships", "--retention", "1d"], 1, "ships"),
        (["compact", "-c", "ships"], 1, "ships"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(target, run, ok, write, arguments, code, message):
    ok("ingest", write("points.npz"), *target)
    found, out, err = run(*arguments, *target)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


def test_compact_waits_and_tells_what_it_did(loaded, ok):
    status = json.loads(ok("compact", "--json", *loaded))
    assert (status["state"], status["waiting"]) == ("idle", 0)
    assert "partitions now" in ok("compact", *loaded)


def test_compact_over_http_waits_as_well(ok, write, rows, tmp_path):
    settings = Settings(seal_rows=len(rows))
    with (
        Database(tmp_path / "db", settings=settings) as database,
        running(build_server(database), listen("127.0.0.1", 0)) as url,
    ):
        ok("ingest", write("points.parquet"), "--url", url)
        stats = database.collection().get_collection_stats
        wait_until(lambda: stats().hot_points == 0)
        ok("delete", "--id", "003", "--yes", "--url", url)
        assert stats().compaction.waiting == 1  # a partition with dead rows to fold in
        status = json.loads(ok("compact", "--json", "--url", url))
    assert (status["state"], status["waiting"], status["merges"]) == ("idle", 0, 1)


class Failing:
    """A target whose compactions end early."""

    def collection(self, name):
        return self

    def compact(self, *, wait, progress):
        known = {"merges": 0, "rows": 0, "bytes": 0, "partitions": 2, "waiting": 2}
        return CompactionStatus(state="failed", started_at=None, problem="no room", **known)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_compaction_that_failed_is_an_error(run, monkeypatch):
    monkeypatch.setattr(collections, "open_target", lambda *_: Failing())
    code, out, err = run("compact")
    assert (code, err) == (1, "error: the compaction ended early: no room\n")
    assert "2 still waiting" in out


def test_collections_are_listed_and_described(loaded, ok):
    where = loaded[2:]
    ok("create", "buoys", "--dim", 2, "--retention", "30d", *where)
    found = json.loads(ok("collections", "list", "--json", *where))
    assert [item["name"] for item in found["items"]] == ["buoys", "ships"]
    told = ok("collections", "list", "--limit", 1, *where)
    assert "buoys" in told
    assert "more with --cursor buoys" in told
    assert "ships" in ok("collections", "list", "--cursor", "buoys", *where)
    assert json.loads(ok("collections", "get", "ships", "--json", *where))["dim"] == 3
    assert "l2" in ok("collections", "get", "ships", *where)


def test_stats_and_windows_are_those_of_a_moment(loaded, ok, rows):
    found = json.loads(ok("collections", "stats", "--as-of", 20, "--json", *loaded))
    assert (found["points"], found["as_of_seq"]) == (20, 20)
    assert "57 (57 hot, 0 sealed)" in ok("collections", "stats", *loaded)
    windows = json.loads(ok("collections", "windows", "--json", *loaded))["items"]
    assert sum(window["points"] for window in windows) == len(rows)
    told = ok("collections", "windows", "--limit", 2, "--start", "2026-01-31T13:00:00Z", *loaded)
    assert "2026-01-31 13:00" in told
    assert "2 windows, as of seq 57\nmore with --cursor" in told


def test_a_compaction_may_be_begun_and_looked_at(loaded, ok):
    begun = json.loads(ok("collections", "compact", "--no-wait", "--json", *loaded))
    assert begun["state"] in {"running", "idle", "done"}
    assert "partitions now" in ok("collections", "compaction", *loaded)


def test_deleting_a_collection_asks_first(loaded, run, ok, monkeypatch):
    where = loaded[2:]
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, out, err = run("collections", "delete", "ships", *where)
    assert (code, out) == (1, "")
    assert "delete 'ships' with 57 points for good? [y/N]" in err
    assert json.loads(ok("collections", "delete", "ships", "--yes", "--json", *where)) == {
        "deleted": "ships"
    }
    code, _, err = run("collections", "delete", "ships", "--yes", *where)
    assert code == 1
    assert "no collection 'ships'" in err


def test_a_collection_of_nearly_that_name_is_suggested(loaded, run):
    code, _, err = run("knn", "--vector", "1,2,3", "-c", "shipps", *loaded[2:])
    assert (code, err) == (1, "error: there is no collection 'shipps'; did you mean 'ships'?\n")


def test_with_a_key_a_collection_is_made_and_changed_once(target, ok):
    make = ("create", "c", "--dim", "2", "--idempotency-key", "k", *target)
    assert ok(*make) == ok(*make)
    update = ("update", "c", "--window-size", "2h", "--idempotency-key", "u", "--json", *target)
    first = ok(*update)
    ok("update", "c", "--window-size", "3h", *target)
    assert ok(*update) == first

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta

import httpx
import numpy as np
import pytest

from tsvec.cli import app
from tsvec.cli.serve import listen, running
from tsvec.engine.database import Database
from tsvec.server.serve import build_server

QUESTION = [0.3, -0.2, 0.9]


def distances(rows):
    return np.linalg.norm(rows.vector.astype(np.float64) - QUESTION, axis=1)


def test_every_kind_of_file_is_loaded_into_a_directory_and_over_http(every_file, target, ok, rows):
    reply = json.loads(ok("ingest", every_file, "--batch", 20, "--json", *target))
    assert (reply["ingested"], reply["rejected"], reply["seq"]) == (len(rows), 0, len(rows))
    found = json.loads(ok("history", "001", "--vectors", "--limit", 1000, "--json", *target))
    mine = [i for i, entity in enumerate(rows.entity_id) if entity == "001"]
    vectors = np.array([point["vector"] for point in found["items"]], np.float32)
    assert np.array_equal(vectors, rows.vector[mine])
    assert [point["metadata"] for point in found["items"]] == [
        {"speed": rows.speed[i]} for i in mine
    ]
    assert {point["entity_type"] for point in found["items"]} == {"SHIP"}


def test_loading_tells_what_it_took_and_stored(target, ok, write):
    out = ok("ingest", write("points.csv"), *target)
    assert "points.csv: entity entity_id, time timestamp, vector vector, type entity_type" in out
    assert "57 points stored and on disk" in out


def test_knn_finds_what_brute_force_finds(loaded, ok, rows):
    reply = json.loads(ok("knn", "--vector", "0.3,-0.2,0.9", "-k", 5, "--json", *loaded))
    order = np.argsort(distances(rows))[:5]
    assert [hit["entity_id"] for hit in reply["hits"]] == [rows.entity_id[i] for i in order]
    assert [hit["distance"] for hit in reply["hits"]] == pytest.approx(distances(rows)[order])
    assert reply["eligible"] == {"value": 57, "relation": "eq"}


def test_knn_takes_every_option(loaded, ok, rows):
    start, end = rows.timestamp[10], rows.timestamp[40]
    reply = json.loads(
        ok(
            "knn",
            *("--vector", json.dumps(QUESTION), "-k", 3, "--distinct", "--explain", "--vectors"),
            *("--start", start.isoformat(), "--end", end.isoformat()),
            *("--type", "SHIP", "--type", "NONE", "--id", "001", "--id", "002", "--id", "004"),
            *("--json", *loaded),
        )
    )
    best = {
        entity: min(distances(rows)[i] for i in range(10, 40) if rows.entity_id[i] == entity)
        for entity in ("001", "002")
    }
    assert {hit["entity_id"]: hit["distance"] for hit in reply["hits"]} == pytest.approx(best)
    assert reply["explain"]["steps"]
    assert len(reply["hits"][0]["vector"]) == 3


def test_knn_asks_from_where_an_entity_was(loaded, ok, rows):
    at = rows.timestamp[22]  # of entity 002, exactly
    reply = json.loads(
        ok("knn", "--entity", "002", "--at", at.isoformat(), "-k", 57, "--json", *loaded)
    )
    assert "002" not in {hit["entity_id"] for hit in reply["hits"]}
    others = [i for i, entity in enumerate(rows.entity_id) if entity != "002"]
    apart = np.linalg.norm(rows.vector[others].astype(float) - rows.vector[22], axis=1)
    assert [hit["distance"] for hit in reply["hits"]] == pytest.approx(np.sort(apart))


def test_knn_shows_a_table(loaded, ok):
    out = ok("knn", "--vector", "0.3,-0.2,0.9", "-k", 2, "--explain", *loaded)
    assert "distance" in out
    assert "speed=" in out
    assert "2 of 57 to choose from, exact, as of seq 57" in out
    assert "57 rows scanned" in out


def test_history_is_paged(loaded, ok, rows):
    first = json.loads(ok("history", "003", "--limit", 4, "--order", "desc", "--json", *loaded))
    times = [point["timestamp"] for point in first["items"]]
    assert times == sorted(times, reverse=True)
    cursor = first["next_cursor"]
    rest = json.loads(
        ok("history", "003", "--order", "desc", "--cursor", cursor, "--json", *loaded)
    )
    assert len(first["items"]) + len(rest["items"]) == rows.entity_id.count("003")
    assert "4 points, as of seq 57\nmore with --cursor" in ok(
        "history", "003", "--limit", 4, *loaded
    )


def test_history_takes_a_range(loaded, ok, rows):
    start = rows.timestamp[8]  # the second point of entity 003
    end = start + timedelta(minutes=36)
    options = ["--start", start.isoformat(), "--end", end.isoformat(), "--json"]
    found = json.loads(ok("history", "003", *options, *loaded))
    assert len(found["items"]) == 2


def test_info_tells_what_there_is(loaded, ok):
    out = ok("info", *loaded[2:])
    assert "ships" in out
    assert "57" in out
    assert "dim_max 4,096" in out
    document = json.loads(ok("info", "--json", *loaded[2:]))
    assert document["info"]["limits"]["k_max"] == 10_000
    assert document["health"]["status"] == "ok"
    (found,) = document["collections"]
    assert (found["collection"]["metric"], found["stats"]["points"]) == ("l2", 57)


def test_json_is_what_the_api_answers(tmp_path, ok, write):
    with (
        Database(tmp_path / "db") as database,
        running(build_server(database), listen("127.0.0.1", 0)) as url,
    ):
        ok("ingest", write("points.npz"), "--url", url)
        asked = {"query_vector": QUESTION, "k": 4, "distinct": "entity"}
        path = f"{url}/v1/collections/default/query/temporal-knn"
        answer = httpx.post(path, json=asked, trust_env=False).json()
        history = f"{url}/v1/collections/default/entities/003/history"
        past = httpx.get(history, trust_env=False).json()
        options = ["--vector", "0.3,-0.2,0.9", "-k", 4, "--distinct", "--json"]
        assert json.loads(ok("knn", *options, "--url", url)) == answer
        assert json.loads(ok("history", "003", "--json", "--url", url)) == past
    assert json.loads(ok("knn", *options, "--data", tmp_path / "db")) == answer
    assert json.loads(ok("history", "003", "--json", "--data", tmp_path / "db")) == past


def test_bad_rows_end_a_load_or_are_left_out(target, run, ok, tmp_path):
    path = tmp_path / "points.jsonl"
    good = {"id": "a", "ts": "2026-01-31T12:00:00Z", "vector": [1.0, 2.0]}
    bad = [{"vector": [1.0]}, {"vector": [float("1e39"), 1]}, {"ts": "noon"}, {"id": "x" * 300}]
    path.write_text("\n".join(json.dumps(good | change) for change in [{}, *bad, {"id": "b"}]))
    code, _, err = run("ingest", path, *target)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("error: row 2: vector: ")
    reply = json.loads(ok("ingest", path, "--on-error", "skip_row", "--json", *target))
    assert (reply["ingested"], reply["rejected"]) == (2, 4)
    assert sorted(error["index"] for error in reply["errors"]) == [1, 2, 3, 4]


def test_a_row_is_named_by_its_place_in_the_file(target, run, tmp_path):
    path = tmp_path / "points.jsonl"
    rows = [{"id": "a", "ts": 1_769_860_800 + i, "vector": [1.0, 2.0]} for i in range(25)]
    rows[17]["vector"] = [1.0]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    code, _, err = run("ingest", path, "--batch", 10, *target)
    assert code == 1
    assert err.startswith("error: row 17 of the file: ")
    assert err.endswith("(10 rows before it are stored)\n")


def test_a_collection_other_than_default_is_made_on_request_only(target, run, ok, write):
    path = write("points.npz")
    code, _, err = run("ingest", path, "-c", "ships", *target)
    assert (code, err) == (1, "error: there is no collection 'ships'; --create makes it\n")
    ok("ingest", path, "-c", "ships", "--create", "--dim", 3, "--window-size", "1d", *target)
    ok("ingest", path, "-c", "ships", "--create", "--window-size", "1d", *target)
    code, _, err = run("ingest", path, "-c", "ships", "--create", "--metric", "dot", *target)
    assert (code, err) == (1, "error: the collection 'ships' has metric cosine, not dot\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["knm"], "No such command 'knm'. Did you mean 'knn'?"),
        (["knn", "--vektor", "1"], "No such option: --vektor; did you mean '--vector'?"),
        (["knn"], "give either --vector or --entity"),
        (["knn", "--vector", "1", "--entity", "a"], "give either --vector or --entity"),
        (["knn", "--vector", "1", "--at", "2026-01-31"], "--at goes with --entity"),
        (["knn", "--vector", "north"], "'north' is no vector"),
        (["knn", "--vector", "1", "--start", "noon"], "'noon': an RFC 3339 time"),
        (["knn", "--vector", "1", "-k", "0"], "greater than or equal to 1"),
        (["knn", "--vector", "1", "-k", "many"], "valid integer"),
        (["history"], "Missing argument"),
        (["ingest", "x.csv", "--metric", "l2"], "--metric goes with --create"),
        (["ingest", "x.csv", "--on-error", "skip_rows"], "did you mean 'skip_row'?"),
        (["points", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["history", "a", "--order", "decs"], "'asc', 'desc'; did you mean 'desc'?"),
        (["serve", "--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["knn", "--vector", "1", "--data", "nowhere"], "nowhere holds no database"),
        (["info", "--data", "nowhere"], "nowhere holds no database"),
        (["verify", "--data", "nowhere"], "nowhere holds no database"),
        (["history", "a", "--url", "http://127.0.0.1:1"], "no answer from http://127.0.0.1:1"),
        (["info", "--url", "there"], "'there' is no URL"),
        (["info", "--url", "http://x", "--data", "y"], "name two databases"),
        (["ingest", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["ingest", "."], "Is a directory"),
        (["knn", "--vector", "1", "--start", "2026-02-01", "--end", "2026-01-01"], "start_time"),
        (["serve", "--host", "0.0.0.0", "--data", "db"], "can be reached from other machines"),
    ],
)
def test_failures_are_one_line_and_exit_code_1(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert message in err
    assert not (tmp_path / "nowhere").exists()


def test_missing_things_are_told(loaded, run):
    code, _, err = run("history", "nobody", *loaded)
    assert code == 1
    assert "nobody" in err
    code, _, err = run("knn", "--vector", "1,2,3", "-c", "none", *loaded[2:])
    assert code == 1
    assert "none" in err
    code, _, err = run("knn", "--vector", "1,2", *loaded)
    assert code == 1
    assert "3" in err


def test_the_environment_names_the_database(tmp_path, ok, write, monkeypatch):
    monkeypatch.setenv("TSVEC_DATA", str(tmp_path / "db"))
    ok("ingest", write("points.npz"))
    with (
        Database(tmp_path / "db") as database,
        running(build_server(database), listen("127.0.0.1", 0)) as url,
    ):
        monkeypatch.setenv("TSVEC_URL", url)
        assert "57" in ok("info")


def test_a_directory_in_use_is_told(tmp_path, run):
    with Database(tmp_path):
        code, _, err = run("info", "--data", tmp_path)
    assert (code, err.count("\n")) == (1, 1)


def test_verify_names_what_is_damaged(tmp_path, ok, run, write):
    directory = tmp_path / "db"
    ok("ingest", write("points.npz"), "--data", directory)
    assert "every checksum holds" in ok("verify", "--data", directory)
    assert json.loads(ok("verify", "--data", directory, "--json"))["ok"] is True
    (log,) = directory.glob("tenants/*/*/log/*.log")
    content = bytearray(log.read_bytes())
    content[len(content.rstrip(b"\0")) - 8] ^= 1  # in the last frame, after which all is zero
    log.write_bytes(content)
    code, out, err = run("verify", "--data", directory)
    assert code == 1
    assert log.name in out
    assert log.name in err


def test_the_version_is_told(ok):
    assert ok("--version") == "tsvec 0.1.0\n"


def test_help_names_every_command(ok):
    out = ok("--help")
    asked = ("serve", "ingest", "knn", "history", "info", "verify", "demo")
    changed = ("delete", "restore", "deleted", "create", "update", "compact")
    for command in asked + changed:
        assert re.search(rf"^\W*{command} ", out, re.MULTILINE), command


def test_no_command_shows_the_help(run):
    code, out, err = run()
    assert code == 2
    assert "Commands" in out + err
    assert "error" not in err


def test_an_unforeseen_failure_is_a_line_unless_debugging(run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("unforeseen\nin two lines")

    monkeypatch.setattr(app, "open_target", fail)
    code, _, err = run("info")
    assert (code, err) == (
        1, "error: RuntimeError: unforeseen in two lines (TSVEC_DEBUG=1 shows where)\n"
    )  # fmt: skip
    monkeypatch.setenv("TSVEC_DEBUG", "1")
    with pytest.raises(RuntimeError):
        app.main(["info"])


def test_ctrl_c_ends_quietly(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "open_target", interrupt)
    assert run("info") == (130, "", "")


def test_the_module_runs_as_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tsvec", "--version"])
    with pytest.raises(SystemExit) as exit_:
        app.main()
    assert exit_.value.code == 0


def test_a_file_is_loaded_once_with_one_key_however_often(target, ok, write):
    load = ("ingest", write("points.csv"), "--batch", 20, "--json", *target)
    first = ok(*load, "--idempotency-key", "load-1")
    assert ok(*load, "--idempotency-key", "load-1") == first
    assert json.loads(first)["ingested"] == 57
    assert json.loads(ok(*load, "--idempotency-key", "load-2"))["unchanged"] == 57

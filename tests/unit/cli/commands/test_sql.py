from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from datetime import datetime

import numpy as np
import pytest

from tests.unit.engine.rig import settle
from tsvec.engine.database import Database
from tsvec.model.settings import Settings

SPEEDS = "SELECT entity_id, (metadata->>'speed')::DOUBLE AS speed FROM points ORDER BY seq"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(scope="module")
def built(tmp_path_factory, rows):
    """A directory of which all but the last 9 of 57 points are sealed, closed."""
    path = tmp_path_factory.mktemp("built") / "db"
    with Database(path, settings=Settings(seal_rows=16)) as database:
        ships = database.create_collection("ships", dim=3, metric="l2")
        for first in range(0, len(rows), 16):
            ships.ingest(
                [
                    {
                        "entity_id": row["entity_id"],
                        "timestamp": row["timestamp"],
                        "vector": row["vector"],
                        "metadata": {"speed": row["speed"]},
                    }
                    for row in rows.records[first : first + 16]
                ]
            )
        settle(database, "ships")
    return path


@pytest.fixture
def sealed(built, tmp_path):
    return ["--data", shutil.copytree(built, tmp_path / "db"), "-c", "ships"]


@pytest.fixture
def select(sealed, run):
    """The rows of a statement, and what was told beside."""

    def ask(statement, *options):
        code, out, err = run("sql", statement, "--json", *options, *sealed)
        assert code == 0, err
        return json.loads(out), err

    return ask


def test_sealed_points_are_selected_and_hot_ones_told(select, rows):
    found, err = select(SPEEDS)
    assert [(row["entity_id"], row["speed"]) for row in found] == list(
        zip(rows.entity_id, rows.speed, strict=True)
    )[:48]
    assert err == (
        "9 hot points of 'ships' not in here; as of seq 48 (--as-of) nothing is missing\n"
    )
    found, err = select("SELECT count(*) AS n FROM points", "--as-of", 20)
    assert (found, err) == ([{"n": 20}], "")


def test_vectors_are_compared_in_sql(select, rows):
    statement = (
        "SELECT seq, array_distance(vector, [0.3, -0.2, 0.9]::FLOAT[3]) AS d "
        "FROM points ORDER BY d LIMIT 4"
    )
    found, _ = select(statement)
    distances = np.linalg.norm(rows.vector[:48].astype(float) - [0.3, -0.2, 0.9], axis=1)
    order = np.argsort(distances)[:4]
    assert [row["seq"] for row in found] == (order + 1).tolist()
    assert [row["d"] for row in found] == pytest.approx(distances[order], rel=1e-5)


def test_every_format(sealed, run, rows, select):
    statement = "SELECT entity_id, timestamp, vector, key FROM points ORDER BY seq LIMIT 2"
    _, out, _ = run("sql", statement, "--csv", *sealed)
    [head, first, _] = csv.reader(io.StringIO(out))
    assert head == ["entity_id", "timestamp", "vector", "key"]
    assert (first[0], first[3]) == (rows.entity_id[0], "")
    assert np.array_equal(np.float32(json.loads(first[2])), rows.vector[0])
    assert datetime.fromisoformat(first[1]) == rows.timestamp[0]
    _, out, _ = run("sql", statement, "--format", "jsonl", *sealed)
    assert [json.loads(line) for line in out.splitlines()] == select(statement)[0]
    _, out, _ = run("sql", statement, *sealed)
    assert "2 rows" in out
    assert "2026-01-31 12:00" in out
    code, _, err = run("sql", statement, "--csv", "--json", *sealed)
    assert code == 2
    assert "give one of" in err


def test_a_server_may_have_it_open(sealed, ok, run, tmp_path):
    with Database(tmp_path / "db") as database:
        ships = database.collection("ships")
        ships.delete_points(entity_ids=["003"])
        code, out, err = run("sql", "SELECT DISTINCT entity_id AS e FROM points", "--json", *sealed)
        assert code == 0
        assert "hot points" in err
        assert sorted(row["e"] for row in json.loads(out)) == ["000", "001", "002", "004"]
        ships.ingest(entity_id="new", vector=[1, 2, 3])


def test_a_statement_may_come_through_a_pipe(sealed, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS one;\nSELECT\n  2 AS two;\n"))
    code, out, _ = run("sql", "--json", *sealed)
    assert (code, json.loads(out)) == (0, [{"two": 2}])
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code, _, err = run("sql", *sealed)
    assert (code, err.splitlines()[-1]) == (1, "error: there is no statement")


def test_at_a_terminal_errors_do_not_end_it(sealed, run, monkeypatch):
    typed = "\nSELECT 40 + 2\n  AS answer;\nSELEC 1;\nSELECT 7 AS after;\n"
    for end in ("exit\n", "\\q\nSELECT 9 AS never;\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal(typed + end))
        code, out, err = run("sql", "--format", "jsonl", *sealed)
        assert code == 0
        assert '{"answer":42}\n' in out
        assert '{"after":7}\n' in out
        assert "never" not in out
        assert 'error: Parser Error: syntax error at or near "SELEC"\n' in err
        assert "tsvec> " in out
        assert "  ...> " in out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELEC 1", 'error: Parser Error: syntax error at or near "SELEC"'),
        ("FROM point", 'Did you mean "points"?'),
        ("COPY points TO 'x.csv'", "disabled by configuration"),
        ("FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("ATTACH 'x.db'", "disabled by configuration"),
        ("INSTALL httpfs", "disabled by configuration"),
        ("SET threads = 1", "has been locked"),
    ],
)
def test_wrong_or_forbidden_statements_are_a_line_and_exit_code_1(
    sealed, run, statement, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("sql", statement, "--as-of", 48, *sealed)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-c", "shps"], 1, "no collection 'shps'; did you mean 'ships'?"),
        (["-c", "ships", "--as-of", 4_000], 1, "names change 4000, but the last one is 57"),
        (["-c", "ships", "--format", "jsn"], 2, "did you mean 'json'?"),
    ],
)
def test_what_cannot_be_is_told(sealed, run, arguments, code, message):
    found, out, err = run("sql", "SELECT 1", *arguments, *sealed[:2])
    assert (found, out) == (code, "")
    assert message in err


def test_a_mistyped_directory_is_told_and_not_made(run, tmp_path):
    code, _, err = run("sql", "SELECT 1", "--data", tmp_path / "typo")
    assert code == 1
    assert "holds no database" in err
    assert not (tmp_path / "typo").exists()


def test_all_files_may_be_checked_first(sealed, run, tmp_path):
    assert run("sql", "SELECT 1", "--verify", *sealed)[0] == 0
    [file, *_] = tmp_path.rglob("points.duckdb")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    code, _, err = run("sql", "SELECT 1", "--verify", *sealed)
    assert code == 1
    assert "points.duckdb is damaged" in err

"""`tsvec config` and `tsvec usage`."""

from __future__ import annotations

import json

import pytest

from tests.unit.engine.rig import batch_of
from tsvec.cli.app import main
from tsvec.cli.serve import listen, running
from tsvec.cli.settings.sources import NAMES
from tsvec.engine.database import Database
from tsvec.server.serve import build_server


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_config_shows_every_setting_and_its_source(tmp_path, capsys, monkeypatch):
    (tmp_path / "tsvec.toml").write_text("seal_rows = 100\n")
    monkeypatch.setenv("TSVEC_QUERY_THREADS", "5")
    code, out, _ = run(capsys, "config", "--data", tmp_path, "--set", "limits.k_max=7", "--json")
    shown = json.loads(out)
    assert (code, sorted(shown)) == (0, sorted(NAMES))
    found = {name: (shown[name]["value"], shown[name]["source"]) for name in shown}
    assert found["seal_rows"] == (100, str(tmp_path / "tsvec.toml"))
    assert found["query_threads"] == (5, "TSVEC_QUERY_THREADS")
    assert found["limits.k_max"] == (7, "--set")
    assert found["limits.dim_max"] == (4_096, "default")
    code, out, _ = run(capsys, "config", "--data", tmp_path, "--changed")
    assert code == 0
    assert ("seal_rows" in out, "dim_max" in out) == (True, False)


def test_what_is_wrong_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TSVEC_SEAL_ROWS", "none")
    for command in (("config",), ("usage",)):
        tmp_path.joinpath("FORMAT").touch()
        code, _, err = run(capsys, *command, "--data", tmp_path)
        assert code == 1
        assert err.startswith("error: TSVEC_SEAL_ROWS: seal_rows = 'none': ")


def test_commands_on_a_directory_keep_to_its_settings(tmp_path, capsys):
    data = tmp_path / "data"
    Database(data).close()
    (data / "tsvec.toml").write_text("[limits]\ncollections_max = 1\n")
    assert run(capsys, "create", "one", "--dim", 2, "--data", data)[0] == 0
    code, _, err = run(capsys, "create", "two", "--dim", 2, "--data", data)
    assert (code, "collections_max" in err) == (1, True)


def test_usage_of_a_directory_and_of_a_server(tmp_path, capsys):
    with Database(tmp_path / "data") as database:
        database.create_collection("c", dim=2).ingest(batch_of(7))
    code, out, _ = run(capsys, "usage", "--data", tmp_path / "data", "--json")
    used = json.loads(out)
    assert (code, used["points"], used["collections"], used["requests"]) == (0, 7, 1, 0)
    with (
        Database(tmp_path / "data") as database,
        running(build_server(database), listen("127.0.0.1", 0)) as url,
    ):
        code, out, _ = run(capsys, "usage", "--url", url, "--json")
        over_there = json.loads(out)
        assert (code, over_there["points"], over_there["requests"]) == (0, 7, 1)
        assert "points" in run(capsys, "usage", "--url", url)[1]

"""Every scenario runs, on very little data: that it says something, not how fast it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.catalog import BY_NAME
from benchmarks.result import Result

ROOT = Path(__file__).parents[3]


def run(*arguments: object, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


@pytest.fixture
def commits(tmp_path) -> Path:
    """A directory in the format of the real commits, with made-up ones."""
    random = np.random.default_rng(1)
    rows = 300
    np.savez(
        tmp_path / "meta.npz",
        id=np.arange(rows, dtype=np.uint64),
        ts=random.permutation(rows) * 3_600,
        entity=random.integers(5, size=rows),
    )
    np.savez(tmp_path / "vec0.npz", v=random.standard_normal((rows, 8)).astype(np.float16))
    about = {"shards": 1, "entities": [f"part-{n}" for n in range(5)]}
    (tmp_path / "entities.json").write_text(json.dumps(about))
    return tmp_path


def test_every_scenario_runs_and_leaves_nothing_but_its_result(tmp_path, commits):
    scratch, out = tmp_path / "scratch", tmp_path / "results"
    scratch.mkdir()
    ran = run("--quick", "--rows", 4_000, "--blocks", 1, "--data", commits, "--out", out,
              "--scratch", scratch)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    results = {path.stem: Result.read(path) for path in out.iterdir()}
    assert results.keys() == BY_NAME.keys()
    assert all(result.quick and result.outcome.figures for result in results.values())
    assert {name for name in BY_NAME if name not in ran.stdout} == set()
    assert list(scratch.iterdir()) == []
    (same, *_) = results["commits"].outcome.figures
    assert same.verdict == "met"


@pytest.fixture
def ask(monkeypatch, capsys):
    """Run a command line in this process: what it prints."""
    monkeypatch.setattr(command, "unwind_on_sigterm", lambda: None)

    def ask_command(*arguments: object) -> str:
        command.main(list(map(str, arguments)))
        return capsys.readouterr().out

    return ask_command


def test_the_scenario_that_needs_data_says_so(tmp_path, ask):
    assert "needs --data" in ask("commits", "--quick", "--out", tmp_path)
    assert "needs --data" in Result.read(tmp_path / "commits.json").outcome.skipped


def test_the_list_names_every_scenario(ask):
    assert [line.split()[0] for line in ask("--list").splitlines()] == list(BY_NAME)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "no scenario 'nothing'"), (["--quick", "--write-docs"], "--quick")],
)
def test_a_wrong_command_line_is_refused(ask, capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        ask(*arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err

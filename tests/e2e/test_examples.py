"""Every example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[0-9]*.py"))
SHOWN = {
    "01_embedded": "960 points on disk",
    "02_http": "the server has stopped",
    "03_storms": "20524 states of 654 storms",
    "04_versions": "2 points restored, 3 there again",
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, environment, tmp_path):
    run = subprocess.run(
        [sys.executable, example],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert SHOWN[example.stem] in run.stdout


def test_every_example_says_what_it_shows():
    assert [path.stem for path in EXAMPLES] == sorted(SHOWN)
    for example in EXAMPLES:
        assert example.read_text().startswith('"""')

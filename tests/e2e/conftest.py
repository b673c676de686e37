"""The command as its users run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TSVEC = [sys.executable, "-m", "tsvec"]
SECONDS_MAX = 120


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What a new user has: a terminal that can do little, `tsvec` on the path, nothing set."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "tsvec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tsvec "$@"\n')
    (commands / "tsvec").chmod(0o755)
    (commands / "python").symlink_to(sys.executable)
    # Bytecode is kept, or every command would compile all of it.
    unset = ("TSVEC_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    path = os.pathsep.join([str(commands), kept["PATH"]])
    return kept | {"TERM": "dumb", "COLUMNS": "100", "PYTHONPATH": str(ROOT), "PATH": path}


@pytest.fixture
def tsvec(environment, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TSVEC, *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )

    return run


@pytest.fixture
def started(environment, tmp_path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command; it is killed at the end of the block if it still runs."""

    @contextmanager
    def start(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [*TSVEC, *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    return start

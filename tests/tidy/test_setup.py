"""Setting up says what is missing on machines that lack it, and the Makefile lists its targets."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = {"setup", "demo", "serve", "test", "check", "crash", "bench", "docs", "gen"}
OLD = "exit 1"
NO_ENSUREPIP = f"""case "$*" in *ensurepip*|*virtualenv*) exit 1;; esac
exec {sys.executable} "$@\""""


@pytest.fixture
def make_venv(root, tmp_path):
    """Runs scripts/make_venv.sh with a PATH that holds these commands and no others."""
    commands = tmp_path / "bin"
    commands.mkdir()

    def run(scripts: dict[str, str], directory: str = ".venv") -> subprocess.CompletedProcess[str]:
        for name, script in scripts.items():
            path = commands / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return subprocess.run(
            [shutil.which("sh"), root / "scripts" / "make_venv.sh", directory],
            cwd=tmp_path,
            env={"PATH": str(commands)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_an_old_python_is_named_with_what_to_install(make_venv):
    run = make_venv({"python3": OLD})
    assert run.returncode == 1
    assert "Python 3.11 or newer" in run.stderr
    assert "apt-get install python3 python3-venv" in run.stderr


def test_a_missing_venv_package_is_named_to_a_user(make_venv):
    run = make_venv({"python3": NO_ENSUREPIP, "id": "echo 1000", "apt-get": "echo called >&2"})
    assert run.returncode == 1
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"sudo apt-get install python{version}-venv" in run.stderr
    assert "called" not in run.stderr


def test_a_missing_venv_package_is_installed_by_root(make_venv):
    run = make_venv({"python3": NO_ENSUREPIP, "id": "echo 0", "apt-get": 'echo "called $*" >&2'})
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"called install -y --no-install-recommends python{version}-venv" in run.stderr


def test_a_shim_that_only_complains_is_passed_over(make_venv):
    new = f'case "$*" in *"-m venv"*) echo "$@" >&2; exit;; esac; exec {sys.executable} "$@"'
    run = make_venv({"python3.13": OLD, "python3": new})
    assert run.returncode == 0, run.stderr
    assert "-m venv --clear .venv" in run.stderr


def test_a_working_environment_is_kept(make_venv):
    environment = Path(sys.prefix)
    run = make_venv({"python3": OLD}, str(environment))
    assert (run.returncode, run.stderr) == (0, "")


def test_make_alone_lists_its_targets(root):
    run = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, timeout=120
    )
    listed = re.findall(r"^  make (\w+) +\S", run.stdout, re.MULTILINE)
    assert set(listed) >= TARGETS


def test_ci_runs_the_targets_a_person_runs(root):
    script = (root / ".ci" / "run").read_text()
    targets = re.search(r"^for target in (.+); do$", script, re.MULTILINE)[1].split()
    assert targets == ["setup", "check", "demo", "test"]

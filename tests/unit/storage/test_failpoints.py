"""Named steps at which a test can make things fail."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tsvec
from tsvec.storage.failpoints import ENVIRONMENT_VARIABLE, FAILPOINTS, FailPoints

PACKAGE = Path(tsvec.__file__).parent
USED = re.compile(r'(?:failpoints\.hit\(|failpoint=)"([a-z_.]+)"')
OF_A_PARTITION = re.compile(r'hit\(f"\{step\}\.([a-z_]+)"\)')


def failures(points: FailPoints, name: str, times: int) -> list[int]:
    """The hits, counted from 1, that failed."""
    failed = []
    for hit in range(1, times + 1):
        try:
            points.hit(name)
        except OSError:
            failed.append(hit)
    return failed


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("log.sync=eio", [1, 2, 3, 4]),
        ("log.sync=eio@1", [1]),
        ("log.sync=enospc@3", [3]),
        ("log.sync=eio@3+", [3, 4]),
        ("log.sync=sleep:1", []),
        ("seal.start=eio", []),
        ("", []),
    ],
)
def test_a_rule_fails_the_hits_it_names(rule, expected):
    assert failures(FailPoints(rule), "log.sync", 4) == expected


@pytest.mark.parametrize(("action", "code"), [("eio", errno.EIO), ("enospc", errno.ENOSPC)])
def test_the_error_says_where_it_comes_from(action, code):
    with pytest.raises(OSError, match=r"fail point log\.sync") as caught:
        FailPoints(f"log.sync={action}").hit("log.sync")
    assert caught.value.errno == code


def test_several_rules_count_apart():
    points = FailPoints("log.sync=eio@2, seal.start=enospc@1")
    assert failures(points, "seal.start", 2) == [1]
    assert failures(points, "log.sync", 2) == [2]


def test_sleep_waits():
    started = time.monotonic()
    FailPoints("log.sync=sleep:30").hit("log.sync")
    assert time.monotonic() - started >= 0.03


@pytest.mark.parametrize(
    "rules", ["log.sync", "log.sink=eio", "log.sync=burn", "log.sync=eio@", "log.sync=eio@x"]
)
def test_a_rule_that_would_do_nothing_is_refused(rules):
    with pytest.raises(ValueError, match=ENVIRONMENT_VARIABLE):
        FailPoints(rules)


def test_exit_ends_the_process_as_a_kill_would():
    script = (
        "import atexit, sys\n"
        "from tsvec.storage.failpoints import FailPoints\n"
        "atexit.register(print, 'clean end')\n"
        "FailPoints.from_environment().hit('log.sync')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={ENVIRONMENT_VARIABLE: "log.sync=exit", "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        timeout=120,
    )
    assert ended.returncode == 137
    assert ended.stdout == b""


def test_the_environment_need_not_be_set(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert failures(FailPoints.from_environment(), "log.sync", 3) == []


def test_every_name_is_a_step_of_the_code_and_every_step_has_a_name():
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    used = {name for source in sources for name in USED.findall(source)}
    for source in sources:
        for name in OF_A_PARTITION.findall(source):
            used |= {f"seal.{name}", f"compact.{name}"}
    assert used == FAILPOINTS

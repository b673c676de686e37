"""Starting, killing and questioning child processes, and the ledger of what they were told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tsvec.storage.failpoints import ENVIRONMENT_VARIABLE

IS_LONG = os.environ.get("TSVEC_CRASH") == "long"
KILLED_BY_FAILPOINT = 137
TIMEOUT_SECONDS = 120
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "seal_rows": 64,
    "hot_rows_max": 2_048,
    "segment_bytes_min": 1 << 16,
    "segment_bytes_max": 1 << 17,
}
FORGETFUL = SETTINGS | {"feed_age_seconds": 0, "feed_bytes_max": 0}
"""The same, and sealed segments of the log go at once."""


def start(*arguments: str, failpoints: str = "") -> subprocess.Popen[str]:
    """A child at work."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), ENVIRONMENT_VARIABLE: failpoints}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.child", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Writer:
    """A child that writes; `ledger` learns what it was told.

    One that is `held` has its database open until it is released.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        failpoints: str = "",
        settings: dict[str, Any] = SETTINGS,
        batches: int = 150,
        side: bool = False,
        held: bool = False,
    ) -> None:
        ledger.runs += 1
        options = json.dumps({"settings": settings, "batches": batches, "side": side, "held": held})
        arguments = ("write", str(ledger.directory), str(ledger.runs), options)
        self.process = start(*arguments, failpoints=failpoints)
        self._is_ready = threading.Event()
        self._ledger = ledger
        self._errors = ""
        self._acknowledged_before = len(ledger["acked"])
        self._readers = [
            threading.Thread(target=self._read_events),
            threading.Thread(target=self._read_errors),
        ]
        for reader in self._readers:
            reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it has the directory open."""
        assert self._is_ready.wait(TIMEOUT_SECONDS), "the child never got ready"

    def wait_for_acknowledged(self, count: int) -> None:
        """Wait until it was told so often that a batch is stored, or has ended."""
        give_up = time.monotonic() + TIMEOUT_SECONDS
        before = self._acknowledged_before
        while len(self._ledger["acked"]) - before < count and self.process.poll() is None:
            assert time.monotonic() < give_up, "the child does not get on"
            time.sleep(0.002)

    def release(self) -> None:
        """Let it end once it has written all."""
        self.process.stdin.close()

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Its exit status, once all it said was read."""
        try:
            status = self.process.wait(TIMEOUT_SECONDS)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join()
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                pipe.close()
        assert "Traceback" not in self._errors or status == 1, self._errors
        return status

    @property
    def errors(self) -> str:
        """What it wrote to its standard error."""
        return self._errors

    def _read_events(self) -> None:
        for line in self.process.stdout:
            event, *words = line.split()
            if event == "ready":
                self._is_ready.set()
            elif words:
                self._ledger.note(event, words[0])
        self._is_ready.set()

    def _read_errors(self) -> None:
        self._errors = self.process.stderr.read()


class Ledger:
    """What was sent to one directory, what was acknowledged, and whether that is what is there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs = 0
        self._events: dict[str, set[str]] = {}

    def note(self, event: str, name: str) -> None:
        """Remember one line of a child."""
        self._events.setdefault(event, set()).add(name)

    def __getitem__(self, event: str) -> set[str]:
        return self._events.get(event, set())

    def check(self, directory: Path | None = None) -> dict[str, Any]:
        """Open the directory in a child and compare; what it found."""
        options = json.dumps({"settings": SETTINGS})
        child = start("check", str(directory or self.directory), options)
        output, errors = child.communicate(timeout=TIMEOUT_SECONDS)
        assert child.returncode == 0, errors
        found = json.loads(output)
        assert not found["problems"], "\n".join(found["problems"][-4:])
        assert not found["orphans"], found["orphans"]
        batches, collections = set(found["batches"]), set(found["collections"])
        for what, names in (
            ("acknowledged batches that are lost", self["acked"] - batches),
            ("batches that nobody sent", batches - self["sent"]),
            ("batches that were refused and are there", batches & self["refused"]),
            ("collections that are lost", self["created"] - self["deleting"] - collections),
            ("collections that were deleted and are there", self["deleted"] & collections),
        ):
            assert not names, f"{what}: {sorted(names)}"
        return found

"""Starting, killing and questioning child processes, and the ledger of what they were told."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from tests.crash import child
from tests.crash.changes import (
    KINDS,
    MINUTE_US,
    RETENTION_US,
    START_US,
    Model,
    Operation,
)
from tests.crash.changing import LEAD_MAX, STEP_US

IS_LONG = os.environ.get("TSVEC_CRASH") == "long"
KILLED = -9
KILLED_BY_FAILPOINT = 137
TIMEOUT_SECONDS = 120
SETTINGS = {
    "seal_rows": 64,
    "hot_rows_max": 2_048,
    "segment_bytes_min": 1 << 16,
    "segment_bytes_max": 1 << 17,
    "compact_rows_max": 512,
}
FORGETFUL = SETTINGS | {"feed_age_seconds": 0, "feed_bytes_max": 0}
"""The same, and sealed segments of the log go at once."""

CHANGERS = ("x", "y")
WINDOW_US = 15 * MINUTE_US
HORIZON_US = 30 * MINUTE_US
EVER = 2**62

_PROCESSES = multiprocessing.get_context("forkserver")
"""Children begin as copies of a process that has all imported and nothing opened."""

_PROCESSES.set_forkserver_preload(["tests.crash.child"])


def get_ready() -> None:
    """Begin to import what children need, so that they are made of the code that is tested."""
    forkserver.ensure_running()


class Writer:
    """A child that writes; `ledger` learns what it was told.

    `changes` are made by each of the CHANGERS. One that is `held` has its database open until it
    is released; one that is `frugal` saves deaths and state only where the database is small.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        failpoints: str = "",
        settings: dict[str, Any] = SETTINGS,
        threads: int = 4,
        batches: int = 150,
        changes: int = 0,
        side: bool = False,
        held: bool = False,
        frugal: bool = False,
    ) -> None:
        ledger.runs += 1
        options = {
            "failpoints": failpoints,
            "settings": settings,
            "threads": threads,
            "batches": batches,
            "changes": changes,
            "models": [ledger.models[writer] for writer in CHANGERS] if changes else [],
            "now": ledger.now,
            "side": side,
            "frugal": frugal,
        }
        hears, says = _PROCESSES.Pipe(duplex=False)
        waits, self._hold = _PROCESSES.Pipe(duplex=False)
        arguments = (says, waits if held else None, str(ledger.directory), str(ledger.runs))
        self.process = _PROCESSES.Process(target=child.write, args=(*arguments, options))
        self.process.start()
        says.close()
        waits.close()
        self.errors = ""
        self._hears = hears
        self._is_ready = threading.Event()
        self._ledger = ledger
        self._before = ledger.acknowledged
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it has the directory open."""
        assert self._is_ready.wait(TIMEOUT_SECONDS), "the child never got ready"

    def wait_for_acknowledged(self, count: int) -> None:
        """Wait until it was told so often that something is stored, or has ended."""
        give_up = time.monotonic() + TIMEOUT_SECONDS
        while self._ledger.acknowledged - self._before < count and self.process.is_alive():
            assert time.monotonic() < give_up, "the child does not get on"
            time.sleep(0.002)

    def release(self) -> None:
        """Let it end once it has written all."""
        self._hold.close()

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.wait()

    def wait(self) -> int | None:
        """Its exit status, once all it said was read."""
        self.process.join(TIMEOUT_SECONDS)
        status = self.process.exitcode
        self.process.kill()
        self.process.join()
        self._reader.join()
        self._hold.close()
        self._ledger.now += (LEAD_MAX + 2) * STEP_US
        assert status != 1, self.errors or "the child could not begin"
        return status

    def _read(self) -> None:
        with open(self._hears.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                event, *words = json.loads(line)
                if event == "ready":
                    self._is_ready.set()
                elif event == "failed":
                    self.errors = words[0]
                elif words:
                    self._ledger.note(event, *words)
        self._hears.close()
        self._is_ready.set()


class Ledger:
    """What was sent to one directory, what was acknowledged, and whether that is what is there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs = 0
        self.acknowledged = 0
        self.now = START_US
        self.models = {writer: Model(writer) for writer in CHANGERS}
        self._pending: dict[str, Operation] = {}
        self._wrong: list[str] = []
        self._events: dict[str, set[str]] = {}

    def note(self, event: str, name: str, *words: Any) -> None:
        """Remember one line of a child."""
        match event:
            case "begin":
                self._pending[name], now = words
                self.now = max(self.now, now)
            case "end":
                model, (seq, at) = self.models[name], words
                model.apply(model.plan(self._pending.pop(name)), seq, at)
            case "wrong":
                self._wrong.append(name)
            case _:
                self._events.setdefault(event, set()).add(name)
        self.acknowledged += event in ("acked", "end")

    def __getitem__(self, event: str) -> set[str]:
        return self._events.get(event, set())

    def check(self, directory: Path | None = None) -> dict[str, Any]:
        """Open the directory in a child and compare; what it found."""
        chance = random.Random(self.acknowledged)
        moments = list(self._moments(chance))
        options = {
            "settings": SETTINGS,
            "now": self.now,
            "moments": moments,
            "entities": [
                f"{writer}-{kind}{n}"
                for writer in CHANGERS
                for kind, count in KINDS.items()
                for n in range(count)
            ],
        }
        found = ask(directory or self.directory, options)
        assert not self._wrong, "\n".join(self._wrong[-4:])
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
        if found["changes"]:
            self._check_changes(found, moments)
        else:
            assert not any(model.done for model in self.models.values())
            self._pending.clear()
        return found

    def _moments(self, chance: random.Random) -> Iterator[tuple[str, int]]:
        """Some earlier moments, most of them not long ago: seqs and recorded times."""
        commits = sorted(one for model in self.models.values() for one in model.commits)
        for few in (commits[-60:], commits):
            for first, last, at in chance.sample(few, min(len(few), 4 if IS_LONG else 1)):
                yield ("seq", chance.randint(max(0, first - 1), last))
                yield ("time", at)

    def _check_changes(self, found: dict[str, Any], moments: list[tuple[str, int]]) -> None:
        present = found["rounds"][0]
        for writer in list(self._pending):
            self._resolve(writer, self._pending.pop(writer), present)
        ranges = sorted(one for model in self.models.values() for one in model.ranges)
        seqs = [seq for first, last in ranges for seq in range(first, last + 1)]
        assert seqs == list(range(1, present["seq"] + 1)), "changes are lost or nobody's"
        for seen in found["rounds"]:
            self._check_round(seen, moments)

    def _resolve(self, writer: str, operation: Operation, present: dict[str, Any]) -> None:
        """Find out whether a change that was under way was made: whole, or not at all."""
        before = self.models[writer]
        if before.is_shown(present, self.cutoff):
            return
        plan = before.plan(operation)
        taken = {
            seq
            for model in self.models.values()
            for first, last in model.ranges
            for seq in range(first, last + 1)
        }
        count = len(plan.steps)
        for last in range(count, present["seq"] + 1):
            if taken.isdisjoint(range(last - count + 1, last + 1)):
                after = copy.deepcopy(before)
                after.apply(plan, last, self.now)
                if after.is_shown(present, self.cutoff):
                    after.commits = before.commits
                    self.models[writer] = after
                    return
        raise AssertionError(
            f"{operation} was under way; this is neither before nor after it: "
            f"{before.difference(present, self.cutoff)}"
        )

    @property
    def cutoff(self) -> int:
        """The event time (µs) before which points have expired."""
        return (self.now - RETENTION_US) // WINDOW_US * WINDOW_US

    def _check_round(self, seen: dict[str, Any], moments: list[tuple[str, int]]) -> None:
        models = self.models.values()
        commits = [one for model in models for one in model.commits]
        kept = [first for first, _, at in commits if at > self.now - HORIZON_US]
        oldest = seen["oldest"]
        assert oldest < min(kept, default=EVER), "the past was forgotten too early"
        for model in models:
            assert model.is_shown(seen, self.cutoff), model.difference(seen, self.cutoff)
        for (kind, value), shown in zip(moments, seen["moments"], strict=True):
            where = f"as of {kind} {value}"
            if kind == "seq":
                seq, high = value, value
            else:
                seq = max(last for _, last, at in commits if at <= value)
                high = min((first for first, _, at in commits if at > value), default=EVER) - 1
            if shown is None:
                is_old = kind == "time" and value < self.now - HORIZON_US
                assert is_old or seq < oldest, f"{where} is gone, the oldest is {oldest}"
                continue
            assert shown[0] <= high, where
            assert shown[0] == seq or kind == "time", where
            for model in models:
                wrong = model.compare(shown[1], max(seq, shown[0]), self.cutoff)
                assert not wrong, f"{where}: {wrong}"


def ask(directory: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What a child finds in a directory, and what is wrong with it."""
    hears, says = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=child.check, args=(says, str(directory), options))
    process.start()
    says.close()
    assert hears.poll(TIMEOUT_SECONDS), "the check does not end"
    found = hears.recv()
    process.join()
    hears.close()
    return found

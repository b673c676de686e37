"""Killed between the commit and the reply, a client that asks again finds one effect, one reply."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

import tsvec
from tests.crash import retrying
from tests.crash.processes import (
    _PROCESSES,
    FORGETFUL,
    IS_LONG,
    KILLED,
    KILLED_BY_FAILPOINT,
    SETTINGS,
    TIMEOUT_SECONDS,
)
from tests.crash.retrying import COLLECTION, open_retried, perform, rows_of
from tests.unit.engine.rig import store_of
from tsvec.engine.writing import writer
from tsvec.storage.log.frames import HEADER_BYTES, frame_bytes
from tsvec.storage.log.segment import HEADER_BYTES as SEGMENT_HEADER_BYTES

STEPS = {
    "log.after_write": 40,
    "log.after_sync": 40,
    "commit.before_acknowledge": 40,
    "requests.before_rename": 6,
    "requests.after_rename": 6,
    "collection.manifest_written": 4,
    "delete.renamed": 3,
    "seal.state_written": 3,
    "manifest.after_rename": 4,
}
"""Steps after which a request may be done and its client not know, and their greatest hits."""

CYCLES = 40 if IS_LONG else 3
ROUNDS = 5 if IS_LONG else 1


class Client:
    """Remembers what it asked for and what it was told, and asks for all of it again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sent: list[str] = []
        self.told: dict[str, str] = {}
        self.runs = 0

    def run(self, rules: str, count: int, kill_after: int | None = None) -> int | None:
        """Ask from another process until it dies; its exit status."""
        self.runs += 1
        hears, says = _PROCESSES.Pipe(duplex=False)
        settings = FORGETFUL if self.runs % 2 else SETTINGS
        arguments = (says, str(self.directory), f"r{self.runs}", settings, rules, count)
        process = _PROCESSES.Process(target=retrying.send, args=arguments)
        process.start()
        says.close()
        before = len(self.told)
        with open(hears.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                match json.loads(line):
                    case "sent", name:
                        self.sent.append(name)
                    case "told", name, reply:
                        self.told[name] = reply
                    case "failed", text:
                        raise AssertionError(text)
                if kill_after is not None and len(self.told) - before >= kill_after:
                    process.kill()
        process.join(TIMEOUT_SECONDS)
        hears.close()
        return process.exitcode

    def retry(self, database: tsvec.Database) -> None:
        """Ask for everything again, in the order it was asked for first."""
        for name in self.sent:
            reply = perform(database, name)
            assert self.told.setdefault(name, reply) == reply, name

    def check(self) -> None:
        """Nothing was lost, nothing is there twice, and every reply stays the same."""
        expected = sum(map(rows_of, self.sent))
        for settings in (SETTINGS, FORGETFUL):
            with open_retried(str(self.directory), settings) as database:
                self.retry(database)
                stats = database.collection(COLLECTION).get_collection_stats()
                assert stats.points == expected
                names = {info.name for info in database.list_collections(limit=1_000).items}
                assert names == {COLLECTION} | self.made()

    def made(self) -> set[str]:
        """The collections that were made and not deleted."""
        kinds = {name: retrying.kind_of(name) for name in self.sent}
        found = {f"x-{name}" for name, kind in kinds.items() if kind == "make"}
        for name, kind in kinds.items():
            writer, _, number = name.rpartition("-")
            if kind == "drop":
                found.discard(f"x-{writer}-{int(number) - 1}")
        return found


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path / "data")


def test_at_each_step_a_retry_finds_one_effect_and_one_reply(client: Client):
    chance = random.Random(5)
    for _ in range(ROUNDS):
        for step, hits in STEPS.items():
            rule = f"{step}=exit@{chance.randint(1, hits)}"
            assert client.run(rule, 400) == KILLED_BY_FAILPOINT, f"{rule} was not met"
        client.check()
    assert len(client.sent) > len(client.told) - len(STEPS)


def test_at_any_moment_a_retry_finds_one_effect_and_one_reply(client: Client):
    chance = random.Random(6)
    for _ in range(CYCLES):
        assert client.run("", 4_000, kill_after=chance.randint(5, 150)) == KILLED
    client.check()
    assert len(client.told) > 5 * CYCLES


# Between the replies and the changes that they tell of.


def copy_cut(source: Path, target: Path, offset: int) -> None:
    """A copy of a database whose only log of two segments at most ends at a byte."""
    shutil.copytree(source, target)
    (log,) = target.glob("tenants/default/*/log/0000000001.log")
    with log.open("r+b") as file:
        size = file.seek(0, 2)
        file.truncate(offset)
        file.truncate(size)


def test_a_log_torn_anywhere_in_a_group_has_both_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A crash comes before a watermark names the group.
    monkeypatch.setattr(writer, "_MARK_DELAY_SECONDS", 60.0)
    points = [{"entity_id": "a", "vector": [1, 2]}]
    other = [{"entity_id": "b", "vector": [3, 4]}]
    whole = tmp_path / "whole"
    with tsvec.connect(whole) as database:
        collection = database.create_collection("c", dim=2)
        told = collection.ingest(points, idempotency_key="k")
        log = store_of(database).log
        (replies, data) = list(log.read_from(log.start))
        shutil.copytree(whole, tmp_path / "crashed")
    middle = SEGMENT_HEADER_BYTES + frame_bytes(len(replies.payload))
    end = middle + frame_bytes(len(data.payload))
    begin = SEGMENT_HEADER_BYTES
    cuts = {begin, begin + HEADER_BYTES, middle - 1, middle, middle + 9, middle + HEADER_BYTES, end}
    for cut in sorted(cuts):
        path = tmp_path / f"cut-{cut}"
        copy_cut(tmp_path / "crashed", path, cut)
        is_whole = cut == end
        with tsvec.connect(path) as database:
            collection = database.collection("c")
            assert database.get_collection("c").seq == is_whole, cut
            # It takes the seq that the torn request would have had.
            assert collection.ingest(other).seq == 1 + is_whole
        for _ in range(2):
            with tsvec.connect(path) as database:
                collection = database.collection("c")
                again = collection.ingest(points, idempotency_key="k")
                assert (again == told) == is_whole, cut
                assert again.seq == (1 if is_whole else 2)
                assert collection.get_collection_stats().points == 2

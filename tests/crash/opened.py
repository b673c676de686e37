"""A database opened in this process with a clock and fail points of its own."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import orjson

import tsvec
from tests.crash.changes import RETENTION_US
from tests.crash.changing import PacedClock, make_changes, open_changes
from tests.crash.child import check_rows, orphans, recover
from tests.crash.content import COLLECTION, DIM, content_of
from tests.crash.processes import FORGETFUL, SETTINGS, Ledger
from tsvec.engine.clock import SystemClock
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.model.errors import TsvecError
from tsvec.model.points import PointBatch
from tsvec.model.replies import IngestReply
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files

GIVE_UP_SECONDS = 20.0


class SetClock(SystemClock):
    """Says what it was told; `now` alone is a jump of the wall clock."""

    def __init__(self, now_us: int) -> None:
        self.now = now_us
        self.elapsed = now_us

    def now_us(self) -> int:
        return self.now

    def elapsed_us(self) -> int:
        return self.elapsed

    def go_on(self, us: int) -> None:
        """Let time go by."""
        self.elapsed += us
        self.now += us


class Opened:
    """An open database and its one collection, whose fail points may change while it runs."""

    def __init__(
        self,
        path: Path,
        rules: str | FailPoints = "",
        clock: SystemClock | None = None,
        **settings,
    ):
        self.files = Files(FailPoints(rules) if isinstance(rules, str) else rules)
        self.database = tsvec.Database(
            path,
            settings=tsvec.Settings(**(SETTINGS | settings)),
            clock=clock or SystemClock(),
            files=self.files,
        )
        self.path = path
        names = [info.name for info in self.database.list_collections().items]
        if COLLECTION not in names:
            self.database.create_collection(COLLECTION, dim=DIM, metric="l2")
        self.collection = self.database.collection(COLLECTION)

    @property
    def store(self) -> CollectionStore:
        """The collection from inside; who holds its `sealing` keeps it from being sealed."""
        return self.database._stores.get(COLLECTION)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def fail(self, rules: str | FailPoints) -> None:
        """From now on, these steps fail."""
        self.files.failpoints = FailPoints(rules) if isinstance(rules, str) else rules

    def ingest(self, batch: str) -> int:
        """Store a batch; how many rows that were."""
        content = content_of(batch)
        self.collection.ingest(**content.columns())
        return len(content)

    def submit(self, batch: str) -> Future[IngestReply]:
        """Store a batch without waiting."""
        content = content_of(batch)
        columns = content.columns()
        metadata = [orjson.dumps(of_row) for of_row in columns["metadata"]]
        points = PointBatch.of_columns(
            **(columns | {"timestamp": content.times, "metadata": metadata})
        )
        return self.collection.submit(points)

    def fill(self, rows: int, name: str = "fill") -> set[str]:
        """Store batches until there are so many rows; their ids."""
        done, batches = 0, set()
        while done < rows:
            batches.add(f"{name}.{len(batches)}")
            done += self.ingest(f"{name}.{len(batches) - 1}")
        return batches

    def fill_until_refused(self) -> tuple[set[str], TsvecError]:
        """Store batches until one is refused; the ids of those before, and why."""
        batches: set[str] = set()
        while len(batches) < 1_000:
            try:
                self.ingest(f"batch.{len(batches)}")
            except TsvecError as error:
                return batches, error
            batches.add(f"batch.{len(batches)}")
        raise AssertionError("nothing was refused")

    def is_settled(self) -> bool:
        """Whether nothing is left to seal."""
        return self.collection.get_collection_stats().hot_points < SETTINGS["seal_rows"]

    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return self.database.get_health().status == "ok"


class Changing:
    """An open database in which one writer makes changes of every kind, noted in a ledger."""

    def __init__(self, ledger: Ledger, **settings) -> None:
        self.ledger = ledger
        self.model = copy.deepcopy(ledger.models["x"])
        self.files = Files()
        self.clock = PacedClock(ledger.now, ["x"])
        self.database = tsvec.Database(
            ledger.directory,
            settings=tsvec.Settings(**(FORGETFUL | settings)),
            clock=self.clock,
            files=self.files,
        )
        self.collection = open_changes(self.database)

    @property
    def store(self) -> CollectionStore:
        """The collection from inside."""
        return self.database._stores.get(self.collection.name)

    @property
    def maintainer(self) -> Maintainer:
        """What drops and compacts."""
        return self.database._maintainer

    def __enter__(self) -> Changing:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self.ledger.now = self.clock.now_us()

    def fail(self, rules: str | FailPoints) -> None:
        """From now on, these steps fail."""
        self.files.failpoints = FailPoints(rules) if isinstance(rules, str) else rules

    def change(self, count: int) -> None:
        """Make so many changes, half a minute each."""
        make_changes(self.collection, self.model, count, self.clock, self.ledger.note)
        self.ledger.now = self.clock.now_us()

    def let_expire(self) -> None:
        """Let so much time go by that every point expires that does not last."""
        self.clock.go_on(2 * RETENTION_US)
        self.ledger.now = self.clock.now_us()
        self.maintainer.wake()

    def has_expired(self) -> bool:
        """Whether there are partitions to drop."""
        cutoff = self.store.cutoff(self.store.windows.config)
        return any(entry.time_max < cutoff for entry in self.store.manifest.partitions)

    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return self.database.get_health().status == "ok"


def wait_until(holds: Callable[[], bool], seconds: float = GIVE_UP_SECONDS) -> None:
    """Wait, for a bounded time, for something that happens in the background."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.005)


def batches_in(path: Path) -> set[str]:
    """The batches in a directory after a restart, each whole, nothing else and no orphans."""
    with Opened(path) as opened:
        batches: Counter[str] = Counter()
        problems = check_rows(opened.collection, batches)
        health = opened.database.get_health()
    recover(path, SystemClock())
    assert problems == []
    assert health.status == "ok", health.problems
    assert orphans(path) == []
    return set(batches)

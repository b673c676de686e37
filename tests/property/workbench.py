"""A database whose background does nothing by itself: a test seals, compacts and drops by hand.

So that what happens when is decided by the test alone. Disks are trusted: nothing is synced.
"""

from __future__ import annotations

import io
import pickle
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from tests.property.timeline import ManualClock
from tsvec import Collection, Database, Settings
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep import checkpoint
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.upkeep.sealer import Sealer
from tsvec.engine.upkeep.sealing import seal
from tsvec.storage.failpoints import FAILPOINTS, FailPoints
from tsvec.storage.files import Files
from tsvec.storage.log import chain

NAME = "c"


class ArrowFiles:
    """Does what `DuckFiles` does in a tenth of the time, with files that only it can read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_points(self, path: Path, table: pa.Table, dim: int) -> None:
        self.write(path, {"points": table})

    def write(self, path: Path, tables: Mapping[str, pa.Table]) -> None:
        texts = {}
        for name, table in tables.items():
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            texts[name] = sink.getvalue()
        path.write_bytes(pickle.dumps(texts))

    def read(self, path: Path, *names: str, optional=()) -> dict[str, pa.Table]:
        texts = pickle.loads(path.read_bytes())
        return {name: pa.ipc.open_stream(texts[name]).read_all() for name in names if name in texts}

    def close(self) -> None:
        pass


class Interruptions(FailPoints):
    """Lets something happen when a step is reached for the first time; `on_drop` at every drop.

    What goes wrong in that is kept in `error`, since upkeep takes it for a failure of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self._waiting: tuple[str, Callable[[], None]] | None = None
        self.on_drop: Callable[[], None] = lambda: None

    def at(self, step: str, happens: Callable[[], None]) -> None:
        assert step in FAILPOINTS, f"{step} is no step"
        self._waiting = (step, happens)

    def clear(self) -> bool:
        """Let nothing happen any more; whether something waited in vain."""
        left, self._waiting = self._waiting, None
        return left is not None

    def hit(self, name: str) -> None:
        try:
            self._happen(name)
        except Exception as error:
            self.error = error
            raise

    def _happen(self, name: str) -> None:
        if name == "drop.logged":
            self.on_drop()
        if self._waiting is not None and self._waiting[0] == name:
            happens = self._waiting[1]
            self._waiting = None
            happens()


class Workbench:
    """One collection `c` of one database, opened and closed again and again."""

    def __init__(
        self,
        clock: ManualClock,
        settings: Settings,
        *,
        real_duck: bool,
        changes_min: int,
        index_step: int,
    ) -> None:
        """`changes_min` decides how often state and overlays are saved, `index_step` (bytes) how
        much more of the log than needed is replayed.
        """
        self.clock = clock
        self.settings = settings
        self.interruptions = Interruptions()
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._copies = 0
        self.path = self._folder / "0"
        for name in ("os.fsync", "os.fdatasync"):
            self._stack.enter_context(patch(name, lambda _: None))
        self._stack.enter_context(patch.object(checkpoint, "_CHANGES_MIN", changes_min))
        self._stack.enter_context(patch.object(chain, "_INDEX_STEP_BYTES", index_step))
        if not real_duck:
            self._stack.enter_context(patch("tsvec.engine.database.DuckFiles", ArrowFiles))
        self.database = self._open()

    def _open(self) -> Database:
        with (
            patch.object(Sealer, "start", lambda _: None),
            patch.object(Maintainer, "start", lambda _: None),
        ):
            files = Files(self.interruptions)
            return Database(self.path, settings=self.settings, clock=self.clock, files=files)

    @property
    def collection(self) -> Collection:
        return self.database.collection(NAME)

    @property
    def store(self) -> CollectionStore:
        return self.database._stores.get(NAME)

    def create(self, **config: Any) -> None:
        self.database.create_collection(NAME, **config)

    def end(self) -> None:
        self.database.close()
        self._stack.close()

    def copy(self) -> None:
        """Keep the files as they are now, as a kill would leave them."""
        self._copies += 1
        self._copy = self._folder / str(self._copies)
        shutil.copytree(self.path, self._copy)

    def restart(self, *, from_copy: bool) -> None:
        """Close and open; or open the copy instead."""
        self.database.close()
        if from_copy:
            shutil.rmtree(self.path)
            self.path = self._copy
        self.database = self._open()
        health = self.database.get_health()
        assert not [text for text in health.problems if "leapt" not in text], health

    def seal(self, *, early: bool = False) -> None:
        """Seal what is due; what is not yet due as well, if that is to be done early."""
        self._check(self.database._sealer._work(self.store))
        if early and (hot := self.store.windows.hot):
            seal(self.store, hot, self.clock.now_us())

    def maintain(self, *, full: bool = False) -> None:
        """Drop what has expired, merge what is worth it, or everything."""
        if full:
            self.collection.compact(wait=False)
        self._check(self.database._maintainer._work(self.store))

    def _check(self, problem: str | None) -> None:
        if self.interruptions.error is not None:
            raise self.interruptions.error
        assert problem is None, problem

    def kept(self) -> dict[int, tuple[int, int, str]]:
        """Every stored version by its seq: by which change, when and why it died, if it did."""
        found: dict[int, tuple[int, int, str]] = {}
        for part in self.store.windows.stored():
            every = part.seqs(slice(0, part.rows)).tolist()
            assert found.keys().isdisjoint(every), "a version is stored twice"
            found |= dict.fromkeys(every, (0, 0, ""))
            deaths = part.deaths()
            columns = (deaths.row, deaths.seq, deaths.at, deaths.by)
            for row, seq, at, by in zip(*(column.tolist() for column in columns), strict=True):
                found[every[row]] = (seq, at, ("", "replaced", "deleted")[by])
        return found

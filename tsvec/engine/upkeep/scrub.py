"""Scrubbing: stored files are reread at leisure, so that damage is found before it is needed."""

from __future__ import annotations

from collections.abc import Sequence

from tsvec.engine.access.problems import Problem
from tsvec.engine.store import CollectionStore
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.manifest import PartitionEntry


class Scrubber:
    """Rereads one partition at a time, all of them in turns; `problems` are those still there."""

    def __init__(self, seconds: float) -> None:
        self._interval_us = int(seconds * 1_000_000)
        self._next_at: int | None = None
        self._last: tuple[str, str] = ("", "")
        self.problems: dict[tuple[str, str], Problem] = {}
        self.checked = 0
        self.repaired = 0

    def step(self, stores: Sequence[CollectionStore], elapsed_us: int) -> None:
        """Reread the next partition, if it is time to."""
        if self._next_at is None or elapsed_us < self._next_at:
            self._next_at = self._next_at or elapsed_us + self._interval_us
            return
        self._next_at = elapsed_us + self._interval_us
        everything = [
            ((store.paths.root.name, entry.name), store, entry)
            for store in stores
            for entry in store.manifest.partitions
        ]
        live = {place for place, _, _ in everything}
        self.problems = {place: text for place, text in self.problems.items() if place in live}
        if not everything:
            return
        everything.sort(key=lambda one: one[0])
        later = [one for one in everything if one[0] > self._last]
        self._last, store, entry = (later or everything)[0]
        with store.compacting:
            if store.is_closed or entry not in store.manifest.partitions:
                return
            self.checked += 1
            self.problems.pop(self._last, None)
            try:
                self._check(store, entry)
            except Exception as error:  # noqa: BLE001  a lost thread would let partitions pile up
                self.problems[self._last] = Problem(str(error), store.tenant)

    def _check(self, store: CollectionStore, entry: PartitionEntry) -> None:
        truth = store.paths.root / entry.points.path
        store.partitions.check_truth(entry)
        if sha256_of(truth) != entry.points.sha256:
            raise CorruptError(f"{truth} is damaged: its sha256 does not match the manifest")
        try:
            store.partitions.open(entry).check_all()
        except CorruptError:
            store.partitions.rebuild_columns(entry, store.windows.config)
            store.ground.columns.let_go()
            self.repaired += 1

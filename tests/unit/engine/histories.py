"""Random lives of a collection, and what a plain dictionary says that it should hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import Row, Workshop, check_counts, values

ENTITIES = ("a", "b", "c")
Points = dict[tuple[Any, ...], float]


class Life:
    """A workshop under random changes; `past` holds what was there after each group's last seq.

    `recorded` are the recorded times (µs) of those seqs.
    """

    def __init__(self, shop: Workshop, seed: int) -> None:
        self.shop = shop
        self.rng = np.random.default_rng(seed)
        self.present: Points = {}
        self.deleted: Points = {}
        self.past: dict[int, Points] = {0: {}}
        self.recorded: list[tuple[int, int]] = [(0, 0)]

    def live(self, steps: int) -> None:
        """Change this and that; every change is compared with the dictionary."""
        changes = (self.put, self.put, self.put, self.delete, self.restore, self.describe, self.set)
        for _ in range(steps):
            self.pass_time()
            changes[self.rng.integers(len(changes))]()
            self.note()
            self.look_after()
        self.check()

    def pass_time(self) -> None:
        """Mostly time goes on; sometimes it stands still, sometimes the wall clock is set back."""
        kind = self.rng.integers(10)
        if kind < 6:
            self.shop.clock.now += int(self.rng.integers(1, 3 * SECOND))
        elif kind == 6:
            self.shop.clock.leap(-int(self.rng.integers(1, 10 * SECOND)))

    def look_after(self) -> None:
        """Sometimes seal, compact, checkpoint or restart."""
        match self.rng.integers(12):
            case 0 | 1 | 2:
                self.shop.seal()
            case 3:
                self.shop.compact()
            case 4:
                self.shop.checkpoint()
            case 5:
                self.shop.restart()

    def row(self) -> Row:
        rng = self.rng
        key = (None, "k")[rng.integers(2)]
        return (ENTITIES[rng.integers(3)], int(rng.integers(4)), int(rng.integers(1, 4)), key)

    def put(self) -> None:
        rows = [self.row() for _ in range(self.rng.integers(1, 7))]
        before, counted = dict(self.present), len(self.present)
        for entity, second, value, key in rows:
            self.present[entity, second, key] = float(value)
        reply = self.shop.put(*rows)
        assert reply.ingested + reply.unchanged + reply.rejected == len(rows)
        assert len(self.present) == counted + reply.ingested - reply.replaced
        if self.present == before:
            assert reply.ingested == reply.replaced

    def delete(self) -> None:
        if not self.present:
            return
        chosen = list(self.present)[self.rng.integers(len(self.present))]
        entity, second, key = chosen
        match self.rng.integers(3):
            case 0:
                gone = [chosen]
                named = {"entity_id": entity, "timestamp": int(second * SECOND), "key": key}
                reply = self.shop.delete(points=[named])
            case 1:
                gone = [one for one in self.present if one[0] == entity and one[1] >= second]
                reply = self.shop.delete(entity_ids=[entity], start_time=int(second * SECOND))
            case _:
                gone = [one for one in self.present if one[0] == entity]
                reply = self.shop.delete_entity(entity)
        assert reply.deleted == len(gone)
        self.deleted |= {one: self.present.pop(one) for one in gone}

    def restore(self) -> None:
        entity = ENTITIES[self.rng.integers(3)]
        mine = {one: value for one, value in self.deleted.items() if one[0] == entity}
        back = {one: value for one, value in mine.items() if one not in self.present}
        reply = self.shop.restore(entity_ids=[entity])
        assert (reply.restored, reply.occupied) == (len(back), len(mine) - len(back))
        self.present |= back

    def describe(self) -> None:
        if self.present:
            entity = next(iter(self.present))[0]
            self.shop.set(entity, {"n": int(self.rng.integers(3))})

    def set(self) -> None:
        self.shop.configure(window_size=("1h", "2h")[self.rng.integers(2)])

    def note(self) -> None:
        windows = self.shop.store.windows
        assert values(windows) == self.present
        check_counts(self.shop.store)
        if windows.seq > self.recorded[-1][0]:
            assert windows.recorded_at > self.recorded[-1][1]
            self.past[windows.seq] = dict(self.present)
            self.recorded.append((windows.seq, windows.recorded_at))

    def check(self) -> None:
        """Every past moment still shows what it showed."""
        for seq, shown in self.past.items():
            assert values(self.shop.read(seq=seq)) == shown, seq


def seq_by(recorded: list[tuple[int, int]], time: int) -> int:
    """The last of some (seq, recorded time) that lies at or before a time."""
    return max(seq for seq, at in recorded if at <= time)

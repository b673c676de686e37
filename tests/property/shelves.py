"""A collection that goes on living while its lists are read, and what it held at every moment.

The memory is a list of versions with the seqs they were born and died by; it shares no code with
the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tsvec
from tests.property.oracle import micros
from tsvec import Collection, Settings

SECOND = 1_000_000
ENTITIES = ["zeta", "é", "a", "A", "aa", "漢", "\U0001f300", "b" * 40, "0", "a/b"]
KEYS = (None, None, "k", "ключ")
Identity = tuple[int, str, str]
"""Event time (µs), entity, key (empty: none); in this order points are listed."""


@dataclass(slots=True)
class Version:
    """One version of a point: visible from seq `born` on, until `died`."""

    identity: Identity
    metadata: dict[str, Any]
    born: int
    died: int = 2**63
    by_delete: bool = False


@dataclass
class Memory:
    """Every version there ever was, and the attributes of entities by seq."""

    versions: list[Version] = field(default_factory=list)
    attributes: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    living: dict[Identity, Version] = field(default_factory=dict)

    def seen(self, seq: int) -> list[Version]:
        """The versions visible after a change, in the order of the list."""
        found = [one for one in self.versions if one.born <= seq < one.died]
        return sorted(found, key=lambda one: one.identity)

    def attributes_of(self, entity: str, seq: int) -> dict[str, Any]:
        """What was set last."""
        found = [value for at, name, value in self.attributes if name == entity and at <= seq]
        return found[-1] if found else {}

    def put(self, identity: Identity, metadata: dict[str, Any], seq: int) -> None:
        self.end(identity, seq)
        self.living[identity] = Version(identity, metadata, seq)
        self.versions.append(self.living[identity])

    def end(self, identity: Identity, seq: int, *, by_delete: bool = False) -> None:
        if (before := self.living.pop(identity, None)) is not None:
            before.died, before.by_delete = seq, by_delete

    def deleted(self, seq: int) -> list[Version]:
        """The newest deleted version of each identity that nothing took the place of."""
        taken = {one.identity for one in self.seen(seq)}
        newest: dict[Identity, Version] = {}
        for one in self.versions:
            if one.by_delete and one.died <= seq and one.identity not in taken:
                newest[one.identity] = max(one, newest.get(one.identity, one), key=_died)
        return sorted(newest.values(), key=_died, reverse=True)


def _died(one: Version) -> int:
    return one.died


class Shelves:
    """A database directory with one collection that random things happen to."""

    def __init__(self, directory: Path, seed: int, settings: Settings) -> None:
        self.rng = np.random.default_rng(seed)
        self.memory = Memory()
        self._directory = directory
        self._settings = settings
        self._database = tsvec.connect(directory, settings=settings)
        self._database.create_collection("c", dim=2, metric="l2", window_size="10s")

    @property
    def collection(self) -> Collection:
        return self._database.collection("c")

    @property
    def seq(self) -> int:
        return self._database.get_collection("c").seq

    def close(self) -> None:
        self._database.close()

    def live(self, turns: int) -> None:
        """Let some things happen, one after the other."""
        deeds = (self.ingest, self.ingest, self.delete, self.update, self.describe)
        for deed in self.rng.choice(np.array(deeds, object), turns):
            deed()

    def upset(self) -> None:
        """What may happen between two pages: changes, and files that come and go."""
        self.live(int(self.rng.integers(0, 3)))
        match self.rng.integers(6):
            case 0:
                self.collection.compact()
            case 1:
                self._database.close()
                self._database = tsvec.connect(self._directory, settings=self._settings)

    def ingest(self) -> None:
        """Points, many of them late, that take the places of others; no two of one identity."""
        rows: dict[Identity, dict[str, Any]] = {}
        for _ in range(self.rng.integers(1, 25)):
            identity = self._identity()
            rows[identity] = {"n": int(self.rng.integers(6))}
        reply = self.collection.ingest([self._point(each, rows[each]) for each in rows])
        first = reply.seq - len(rows) + 1
        assert reply.ingested == len(rows), "vectors are random, so nothing is unchanged"
        for seq, (identity, metadata) in enumerate(rows.items(), first):
            self.memory.put(identity, metadata, seq)

    def delete(self) -> None:
        """Points of one entity in a range of time."""
        name = ENTITIES[self.rng.integers(len(ENTITIES))]
        low = int(self.rng.integers(-20, 60)) * SECOND
        high = low + 25 * SECOND
        victims = [one for one in self.memory.living if one[1] == name and low <= one[0] < high]
        victims.sort(key=lambda one: self.memory.living[one].born)
        reply = self.collection.delete_points(entity_ids=[name], start_time=low, end_time=high)
        assert reply.deleted == len(victims)
        for seq, identity in enumerate(victims, reply.first_seq):
            self.memory.end(identity, seq, by_delete=True)

    def update(self) -> None:
        """Other metadata for one point."""
        if not self.memory.living:
            return
        identity = list(self.memory.living)[self.rng.integers(len(self.memory.living))]
        patch = {"m": int(self.rng.integers(9))}
        before = self.memory.living[identity].metadata
        reply = self.collection.update_point(
            identity[1], identity[0], patch, key=identity[2] or None
        )
        assert reply.changed == (before != before | patch)
        assert reply.point.metadata == before | patch
        if reply.changed:
            self.memory.put(identity, before | patch, reply.seq)

    def describe(self) -> None:
        """Attributes for one entity."""
        names = sorted({one[1] for one in self.memory.living})
        if names:
            name, value = names[self.rng.integers(len(names))], {"a": int(self.rng.integers(4))}
            reply = self.collection.entities.set_entity_attributes(name, value)
            self.memory.attributes.append((reply.as_of_seq, name, value))

    def _identity(self) -> Identity:
        rng = self.rng
        name, key = ENTITIES[rng.integers(len(ENTITIES))], KEYS[rng.integers(len(KEYS))]
        return int(rng.integers(-20, 60)) * SECOND, name, key or ""

    def _point(self, identity: Identity, metadata: dict[str, Any]) -> dict[str, Any]:
        time, name, key = identity
        vector = self.rng.random(2).tolist()
        point = {"entity_id": name, "timestamp": time, "vector": vector, "metadata": metadata}
        return point | ({"key": key} if key else {})


def identity_of(point: Any) -> Identity:
    """What tells a point of a reply from every other."""
    return micros(point.timestamp), point.entity_id, point.key or ""


def pages(ask: Any, shelves: Shelves) -> Iterator[Any]:
    """Every page of a list, with something happening between them."""
    page = ask(None)
    yield page
    while page.next_cursor is not None:
        shelves.upset()
        page = ask(page.next_cursor)
        yield page

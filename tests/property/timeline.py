"""What a collection goes through, as plain Python remembers it: every version, and every change.

Shares no code with the engine. Nothing is ever forgotten here but what the engine was seen to have
let go, and nothing is looked up by anything but a look at every version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAP = 3_600_000_000
UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
START_OF_TIME = -(10**18)
END_OF_TIME = 10**18


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def micros(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def span(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


class Refused(Exception):  # noqa: N818  what is refused is no error of the model
    """The model refuses a request, by the code of the error and the rows at fault."""

    def __init__(self, code: str, rows: Sequence[int] = ()) -> None:
        super().__init__(code, tuple(rows))


@dataclass(frozen=True)
class Row:
    """One row of an ingest request; a `time` of None stands for the time of the commit."""

    entity: str
    time: int | None
    vector: tuple[float, ...]
    key: str | None = None
    metadata: dict[str, Any] | None = None
    kind: str | None = None

    @property
    def content(self) -> str:
        """What two equal points agree in: repr tells 0.0 from -0.0."""
        return repr(self.vector) + json.dumps(self.metadata or {})

    def as_point(self) -> dict[str, Any]:
        """As `Collection.ingest` takes it."""
        given = {
            "entity_id": self.entity,
            "timestamp": self.time,
            "vector": list(self.vector),
            "key": self.key,
            "metadata": self.metadata,
            "entity_type": self.kind,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(eq=False)
class Version:
    """One version of a point.

    `is_kept` turns false when the engine was seen without it; `has_dropped` says that it had
    expired by then. What was dead beyond the horizon should never be asked for again.
    """

    row: Row
    time: int
    seq: int
    at: int
    dead_seq: int | None = None
    dead_at: int = 0
    dead_by: str = ""
    is_kept: bool = True
    has_dropped: bool = False

    @property
    def identity(self) -> tuple[str, int, str | None]:
        return (self.row.entity, self.time, self.row.key)

    def lives(self, seq: int) -> bool:
        return self.seq <= seq and (self.dead_seq is None or self.dead_seq > seq)


@dataclass
class ManualClock:
    """The clock of a test: time passes, or the wall clock is set to something else."""

    wall: int
    elapsed: int = 0
    made: int = 0

    def now_us(self) -> int:
        return self.wall

    def elapsed_us(self) -> int:
        return self.elapsed

    def new_history(self) -> int:
        self.made += 1
        return self.made

    def new_directory(self) -> str:
        self.made += 1
        return f"collection-{self.made}"


@dataclass
class Expiry:
    """By which time points expire: the wall clock's, unless that has leapt; it never runs back."""

    clock: ManualClock
    opened: tuple[int, int] = (0, 0)
    last: int = 0

    def __post_init__(self) -> None:
        self.opened = (self.clock.wall, self.clock.elapsed)
        self.last = self.clock.wall

    def now(self) -> int:
        expected = self.opened[0] + self.clock.elapsed - self.opened[1]
        has_leapt = self.clock.wall - expected > LEAP
        self.last = max(self.last, expected if has_leapt else self.clock.wall)
        return self.last


@dataclass(frozen=True)
class Config:
    """The part of a collection's configuration that time is about, as it is written."""

    window_size: str
    allowed_lateness: str | None
    retention: str | None
    history_horizon: str

    @property
    def width(self) -> int:
        return span(self.window_size)

    @property
    def lateness(self) -> int:
        return span(self.allowed_lateness or self.window_size)


@dataclass
class Timeline:
    """One collection: all its versions, and what was recorded when."""

    metric: str
    config: Config
    clock: ManualClock
    versions: list[Version] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    types: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    attributes: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    resets: dict[str, list[int]] = field(default_factory=dict)
    high: int = START_OF_TIME
    asked: int = 0
    oldest_ever: int = 0
    reach_ever: int = START_OF_TIME
    has_dropped: bool = False

    def __post_init__(self) -> None:
        self.expiry = Expiry(self.clock)
        self.last_at = self.clock.wall

    @property
    def seq(self) -> int:
        return len(self.recorded)

    @property
    def next_at(self) -> int:
        """When the next commit will be recorded, if it is made by the clock as it stands."""
        return max(self.last_at + 1, self.clock.wall, self.asked + 1)

    def reopen(self) -> None:
        """The database is opened again: nobody remembers what was asked, or how time went by."""
        self.expiry = Expiry(self.clock)
        self.asked = 0

    def cutoff(self) -> int:
        if self.config.retention is None:
            return START_OF_TIME
        return (self.expiry.now() - span(self.config.retention)) // self.width * self.width

    @property
    def width(self) -> int:
        return self.config.width

    def visible(self, seq: int | None = None) -> list[Version]:
        """What there is to see after a change, in the order in which it was written."""
        after, cutoff = self.seq if seq is None else seq, self.cutoff()
        return [
            v for v in self.versions if v.lives(after) and v.time >= cutoff and not v.has_dropped
        ]

    def living(self, identity: tuple[str, int, str | None], seq: int | None = None) -> bool:
        after = self.seq if seq is None else seq
        return any(v.identity == identity and v.lives(after) and v.is_kept for v in self.versions)

    def type_at(self, entity: str, seq: int) -> str:
        return [kind for since, kind in self.types[entity] if since <= seq][-1]

    def attributes_at(self, entity: str, seq: int) -> tuple[str | None, int | None]:
        """The JSON text in force after a change, and the change that set it; None where none."""
        found = [(text, n) for n, text in self.attributes.get(entity, ()) if n <= seq]
        return found[-1] if found and found[-1][0] is not None else (None, None)

    def past_seq(self, time: int) -> int:
        """The last change recorded by a time."""
        return sum(at <= time for at in self.recorded)

    def note_reach(self) -> tuple[int, int]:
        """The oldest change inside the horizon, and one that certainly is not younger.

        Who asked when is not remembered, so the oldest ever is, for what was let go meanwhile.
        """
        reach = self.expiry.now() - span(self.config.history_horizon)
        self.reach_ever = max(self.reach_ever, reach)
        oldest = self.past_seq(reach)
        self.oldest_ever = max(self.oldest_ever, oldest)
        return oldest, self._sure_seq(reach) if self.has_dropped else oldest

    def _sure_seq(self, reach: int) -> int:
        """The same, by what cannot have gone with expired partitions."""
        lost = {n for v in self.versions if not v.is_kept for n in (v.seq, v.dead_seq)}
        seqs = (n for n, at in enumerate(self.recorded, 1) if at <= reach and n not in lost)
        return max(seqs, default=0)

    # What changes it.

    def record(self, count: int, at: int) -> range:
        """Number `count` changes of one commit."""
        first = self.seq + 1
        self.recorded += [at] * count
        self.last_at = at
        return range(first, first + count)

    def tick(self) -> None:
        """Expired partitions were dropped: recorded, but no change."""
        self.last_at = self.next_at

    def bury(self, version: Version, seq: int, at: int, by: str) -> None:
        version.dead_seq, version.dead_at, version.dead_by = seq, at, by

    def delete(self, victims: Iterable[Version], whole: str | None = None) -> None:
        """Delete versions in the order they were written, and what is known of one entity."""
        mine = sorted(victims, key=lambda v: v.seq)
        at = self.next_at
        seqs = self.record(len(mine) + (whole is not None), at)
        for version, seq in zip(mine, seqs, strict=False):
            self.bury(version, seq, at, "deleted")
        if whole is not None:
            self.resets.setdefault(whole, []).append(self.seq)
            self.types[whole].append((self.seq, "GENERIC"))
            self.attributes.setdefault(whole, []).append((self.seq, None))

    def deleted(self, oldest: int, seq: int | None = None) -> Iterator[Version]:
        """The deleted versions that are kept, the newest deletion first."""
        after, cutoff = self.seq if seq is None else seq, self.cutoff()
        mine = [
            v
            for v in self.versions
            if v.dead_by == "deleted"
            and v.dead_seq is not None
            and oldest < v.dead_seq <= after
            and v.time >= cutoff
            and v.is_kept
        ]
        return iter(sorted(mine, key=lambda v: -(v.dead_seq or 0)))

    def bring_back(self, versions: Iterable[Version]) -> int:
        """Write deleted versions again, the oldest deletion first; how many changes that makes.

        An entity that was deleted since gets its type and attributes back, unless it has others.
        """
        mine = sorted(versions, key=lambda v: v.dead_seq or 0)
        if not mine:
            return 0
        at, before = self.next_at, self.seq
        entities = sorted({v.row.entity for v in mine})
        lost = {e: self._lost(e, [v for v in mine if v.row.entity == e]) for e in entities}
        for version, seq in zip(mine, self.record(len(mine), at), strict=True):
            self.versions.append(Version(replace(version.row, kind=None), version.time, seq, at))
        for entity in entities:
            kind, text = lost[entity]
            if kind is not None:
                self.types[entity].append((before + len(mine), kind))
            if text is not None:
                (seq,) = self.record(1, at)
                self.attributes.setdefault(entity, []).append((seq, text))
        return self.seq - before

    def _lost(self, entity: str, back: Sequence[Version]) -> tuple[str | None, str | None]:
        """Type and attributes that a deletion of an entity took from points that come back."""
        first = min(v.dead_seq or 0 for v in back)
        kind = text = None
        for reset in self.resets.get(entity, ()):
            if reset > first:
                before = self.type_at(entity, reset - 1)
                kind = before if before != "GENERIC" else kind
                text = self.attributes_at(entity, reset - 1)[0] or text
        if self.type_at(entity, self.seq) != "GENERIC":
            kind = None
        if self.attributes_at(entity, self.seq)[0] is not None:
            text = None
        return kind, text

"""A model of one writer's part of a collection: what each change must answer and lead to.

Writers own their entities, so what the others do cannot change what one of them sees. Every change
is a list of steps that take a seq each, so a change of which only the last seq is known can be
told from one that was not made.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsvec.model.points import GENERIC

DIM = 4
TYPE = "SHIP"
MINUTE_US = 60_000_000
START_US = 1_700_000_000_000_000
LASTING_US = START_US + 365 * 24 * 60 * MINUTE_US
CONFIG = {
    "window_size": "15m",
    "allowed_lateness": "1m",
    "retention": "1h",
    "history_horizon": "30m",
}
KINDS = {"e": 6, "a": 3}
"""How many entities each writer has whose points last, and whose points expire."""

LATENESS_US = MINUTE_US
RETENTION_US = 60 * MINUTE_US
YOUNG_US = 40 * MINUTE_US
"""No change names a point older than this, so that none expires while it is being named."""

RECENT_US = 10 * MINUTE_US
"""No change names a deletion older than this, so that none is forgotten while it is named."""

Identity = tuple[str, int, str | None]
Operation = dict[str, Any]


@dataclass(slots=True)
class Version:
    """One version of a point; `content` is its vector and its metadata, `dead` the seq it ended."""

    identity: Identity
    content: int
    born: int
    dead: int | None = None
    is_deleted: bool = False
    dead_at: int = 0

    def is_visible(self, seq: int, cutoff: int) -> bool:
        is_alive = self.dead is None or self.dead > seq
        return self.born <= seq and is_alive and self.identity[1] >= cutoff


@dataclass(frozen=True, slots=True)
class Step:
    """What one seq does; `target` is an identity, a version or an entity."""

    kind: str
    target: Any
    value: Any = None


@dataclass(slots=True)
class Plan:
    """What a change does, and the fields of its reply."""

    steps: list[Step] = field(default_factory=list)
    reply: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    entities: list[str] = field(default_factory=list)


class Model:
    """What one writer did."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.done = 0
        self.versions: list[Version] = []
        self.living: dict[Identity, Version] = {}
        self.entities: list[str] = []
        self.types: dict[str, list[tuple[int, str]]] = {}
        self.attributes: dict[str, list[tuple[int, dict[str, Any] | None]]] = {}
        self.commits: list[tuple[int, int, int]] = []
        self.ranges: list[tuple[int, int]] = []
        self.last_delete: tuple[int, int, int] | None = None

    def apply(self, plan: Plan, seq: int, at: int) -> None:
        """Make the changes of a plan whose commit ended with `seq`, recorded at `at` (µs)."""
        self.done += 1
        if not plan.steps:
            return
        first = seq - len(plan.steps) + 1
        # Attributes that a restore brings back come behind its points, types come with them.
        typed = first - 1 + sum(step.kind == "put" for step in plan.steps)
        self.ranges.append((first, seq))
        if plan.steps[0].kind != "attributes":
            self.commits.append((first, seq, at))
        for name in plan.entities:
            if name not in self.types:
                self.entities.append(name)
                self.types[name] = [(0, plan.types.get(name, GENERIC))]
            elif name in plan.types:
                self.types[name].append((typed, plan.types[name]))
        for number, step in enumerate(plan.steps, first):
            self._take(step, number, at)
        if plan.steps[0].kind == "end":
            self.last_delete = (first, seq, at)

    def _take(self, step: Step, seq: int, at: int) -> None:
        match step.kind:
            case "put":
                if (before := self.living.get(step.target)) is not None:
                    before.dead, before.dead_at = seq, at
                version = Version(step.target, step.value, seq)
                self.versions.append(version)
                self.living[step.target] = version
            case "end":
                version = self.living.pop(step.target)
                version.dead, version.dead_at, version.is_deleted = seq, at, True
            case "reset":
                if self.type_of(step.target) != GENERIC:
                    self.types[step.target].append((seq, GENERIC))
                self.attributes.setdefault(step.target, []).append((seq, None))
            case "attributes":
                self.attributes.setdefault(step.target, []).append((seq, step.value))

    def type_of(self, entity: str, seq: int | None = None) -> str:
        """The type of an entity after change `seq`."""
        known = self.types[entity]
        return [name for since, name in known if seq is None or since <= seq][-1]

    def attributes_of(
        self, entity: str, seq: int | None = None
    ) -> tuple[dict[str, Any], int | None]:
        """The attributes of an entity after change `seq`, and the change that made them so."""
        known = [
            (since, value)
            for since, value in self.attributes.get(entity, [])
            if seq is None or since <= seq
        ]
        since, value = known[-1] if known else (0, None)
        return ({}, None) if value is None else (value, since)

    def expected(self, seq: int, cutoff: int) -> dict[str, Any]:
        """Every visible entity after change `seq`: type, attributes, points in order."""
        points: dict[str, list[tuple[int, int, str | None, int]]] = {}
        for version in self.versions:
            if version.is_visible(seq, cutoff):
                entity, time, key = version.identity
                points.setdefault(entity, []).append((time, version.born, key, version.content))
        return {
            entity: (self.type_of(entity, seq), *self.attributes_of(entity, seq), sorted(rows))
            for entity, rows in points.items()
        }

    def expected_deleted(self, oldest: int, cutoff: int) -> list[tuple[int, Identity, int]]:
        """(seq of the deletion, identity, content) of what can be brought back, newest first."""
        newest = self._newest_deleted(oldest + 1, 2**62)
        return sorted(
            (
                (version.dead or 0, version.identity, version.content)
                for version in newest
                if version.identity not in self.living and version.identity[1] >= cutoff
            ),
            reverse=True,
        )

    def difference(self, seen: dict[str, Any], cutoff: int) -> dict[str, Any]:
        """What is seen at present that this model does not say, and the other way round."""
        shown = self.compare(seen["present"], 2**62, cutoff)
        deleted = [one for one in seen["deleted"] if one[1][0].startswith(self.writer)]
        brought = self.expected_deleted(seen["oldest"], cutoff)
        return shown | tell_apart(
            {one[0]: one for one in deleted}, {one[0]: one for one in brought}
        )

    def compare(self, shown: dict[str, Any], seq: int, cutoff: int) -> dict[str, Any]:
        """The (found, expected) of each entity that is not shown as it was after change `seq`."""
        mine = {name: one for name, one in shown.items() if name.startswith(f"{self.writer}-")}
        return tell_apart(mine, self.expected(seq, cutoff))

    def is_shown(self, seen: dict[str, Any], cutoff: int) -> bool:
        """Whether what is seen at present is what this model says."""
        return not self.difference(seen, cutoff)

    def _newest_deleted(self, low: int, high: int) -> list[Version]:
        """The newest deleted version of each identity, of deletions `low` to `high`."""
        found: dict[Identity, Version] = {}
        for version in self.versions:
            if version.is_deleted and low <= (version.dead or 0) <= high:
                before = found.get(version.identity)
                if before is None or (before.dead or 0) < (version.dead or 0):
                    found[version.identity] = version
        return sorted(found.values(), key=lambda version: version.dead or 0)

    # What an operation does.

    def plan(self, operation: Operation) -> Plan:
        """The steps and the reply of an operation on this model as it stands."""
        match operation["kind"]:
            case "ingest":
                return self._plan_ingest(operation)
            case "delete":
                return self._plan_delete(operation)
            case "delete_entity":
                plan = self._end(
                    v for v in self.living.values() if v.identity[0] == operation["entity"]
                )
                plan.steps.append(Step("reset", operation["entity"]))
                return plan
            case "restore":
                return self._plan_restore(operation)
            case "attributes":
                before, _ = self.attributes_of(operation["entity"])
                value = dict(operation["value"])
                if operation["merge"]:
                    merged = before | value
                    value = {name: one for name, one in merged.items() if one is not None}
                is_same = list(value.items()) == list(before.items())
                return Plan([] if is_same else [Step("attributes", operation["entity"], value)])
        raise AssertionError(operation)

    def _plan_ingest(self, operation: Operation) -> Plan:
        rows = [(tuple(identity), content) for identity, content in operation["rows"]]
        last = {identity: place for place, (identity, _) in enumerate(rows)}
        plan, unchanged, superseded, replaced = Plan(), 0, 0, 0
        stored: dict[int, Step] = {}
        for identity, place in last.items():
            content, living = rows[place][1], self.living.get(identity)
            ignored = operation["on_conflict"] == "ignore"
            if living is not None and (ignored or living.content == content):
                unchanged += 1
            else:
                stored[place] = Step("put", identity, content)
                replaced += living is not None
        for place, (identity, content) in enumerate(rows):
            heir = last[identity]
            if heir == place:
                continue
            is_passed = operation["on_conflict"] == "ignore" and heir not in stored
            if is_passed or rows[heir][1] == content:
                unchanged += 1
            else:
                superseded += 1
        plan.steps = [stored[place] for place in sorted(stored)]
        plan.entities = list(dict.fromkeys(identity[0] for identity, _ in rows))
        if operation["type"] is not None:
            plan.types = {
                name: operation["type"]
                for name in plan.entities
                if name not in self.types or self.type_of(name) == GENERIC
            }
        plan.reply = {
            "ingested": len(stored) + superseded,
            "unchanged": unchanged,
            "replaced": replaced + superseded,
            "rejected": 0,
        }
        return plan

    def _plan_delete(self, operation: Operation) -> Plan:
        if "points" in operation:
            named = {tuple(identity) for identity in operation["points"]}
            plan = self._end(v for v in self.living.values() if v.identity in named)
            plan.reply["missing"] = len(named) - len(plan.steps)
            return plan
        low, high = operation["range"]
        return self._end(
            version
            for version in self.living.values()
            if version.identity[0] in operation["entities"] and low <= version.identity[1] < high
        )

    def _end(self, versions: Iterable[Version]) -> Plan:
        ordered = sorted(versions, key=lambda version: version.born)
        steps = [Step("end", version.identity) for version in ordered]
        return Plan(steps, {"deleted": len(steps), "missing": 0})

    def _plan_restore(self, operation: Operation) -> Plan:
        if "points" in operation:
            named = {tuple(identity) for identity in operation["points"]}
            found = [v for v in self._newest_deleted(0, 2**62) if v.identity in named]
            missing = len(named) - len(found)
        else:
            low, high = operation["seqs"]
            found = [
                version
                for version in self._newest_deleted(low, high)
                if version.identity[0] in operation["entities"]
            ]
            missing = 0
        back = [version for version in found if version.identity not in self.living]
        plan = Plan([Step("put", version.identity, version.content) for version in back])
        oldest: dict[str, int] = {}
        for version in back:
            oldest.setdefault(version.identity[0], version.dead or 0)
        plan.entities = sorted(oldest)
        for name in plan.entities:
            plan.types |= self._type_taken(name, oldest[name])
            taken = self._attributes_taken(name, oldest[name])
            if taken is not None:
                plan.steps.append(Step("attributes", name, taken))
        occupied = len(found) - len(back)
        plan.reply = {"restored": len(back), "missing": missing, "occupied": occupied}
        return plan

    def _type_taken(self, entity: str, after: int) -> dict[str, str]:
        """The type that a deletion of an entity after a change took away, if it has none since."""
        known = self.types[entity]
        is_reset = len(known) > 1 and known[-1][1] == GENERIC and known[-1][0] > after
        return {entity: known[-2][1]} if is_reset else {}

    def _attributes_taken(self, entity: str, after: int) -> dict[str, Any] | None:
        """The attributes it took away, if none were set since."""
        known = self.attributes.get(entity, [])
        held = [place for place, (_, value) in enumerate(known) if value is not None]
        if not held or held[-1] + 1 == len(known) or known[held[-1] + 1][0] <= after:
            return None
        return known[held[-1]][1]


class Chooser:
    """Draws the next operation of a writer."""

    def __init__(self, model: Model, seed: str) -> None:
        self._model = model
        self._chance = random.Random(seed)
        self._content = 1 + max((version.content for version in model.versions), default=0)
        self._now = 0

    def choose(self, now: int) -> Operation:
        """An operation at a time (µs)."""
        self._now = now
        model, chance = self._model, self._chance
        if model.done < 3:
            return self._ingest(["lasting"] * 8)
        kinds = {
            self._arrivals: 7,
            self._replacements: 4,
            self._deletion: 3,
            self._entity: 1,
            self._restoration: 3,
            self._attributes: 2,
        }
        (kind,) = chance.choices(list(kinds), list(kinds.values()))
        return kind() or self._arrivals()

    def _arrivals(self) -> Operation:
        chance = self._chance
        where = chance.choice(["lasting", "aging", "aging", "late"])
        return self._ingest([where] * chance.choice([1, 1, 2, 5, 12, 24]))

    def _ingest(self, places: Sequence[str]) -> Operation:
        rows = [[list(self._fresh(place)), self._next_content()] for place in places]
        wanted = TYPE if self._chance.random() < 0.3 else None
        return {"kind": "ingest", "rows": rows, "on_conflict": "replace", "type": wanted}

    def _fresh(self, place: str) -> Identity:
        chance, writer = self._chance, self._model.writer
        name = f"{writer}-e{chance.randrange(KINDS['e'])}"
        if place == "lasting":
            time = LASTING_US + 20 * MINUTE_US + chance.randrange(10 * MINUTE_US)
        elif place == "late":
            time = LASTING_US + chance.randrange(20 * MINUTE_US)
            if chance.random() < 0.5:
                name, time = f"{writer}-a0", self._now - chance.randrange(YOUNG_US)
        else:
            name, time = (
                f"{writer}-a{chance.randrange(KINDS['a'])}",
                self._now - chance.randrange(MINUTE_US),
            )
        return (name, time, chance.choice([None, "k", "k2"]))

    def _next_content(self) -> int:
        self._content += 1
        return self._content

    def _young(self, names: str = "ea") -> list[Version]:
        oldest = self._now - YOUNG_US
        return [
            version
            for version in self._model.living.values()
            if version.identity[1] >= oldest and version.identity[0].rpartition("-")[2][0] in names
        ]

    def _replacements(self) -> Operation | None:
        chance, young = self._chance, self._young()
        if not young:
            return None
        chosen = chance.sample(young, min(len(young), chance.choice([1, 3, 9])))
        rows = []
        for version in chosen:
            is_same = chance.random() < 0.25
            content = version.content if is_same else self._next_content()
            rows.append([list(version.identity), content])
        if chance.random() < 0.3:
            rows.append([rows[0][0], self._next_content()])
        if chance.random() < 0.3:
            rows.append([list(self._fresh("lasting")), self._next_content()])
        on_conflict = chance.choice(["replace", "replace", "ignore"])
        return {"kind": "ingest", "rows": rows, "on_conflict": on_conflict, "type": None}

    def _deletion(self) -> Operation | None:
        chance, young = self._chance, self._young()
        if not young:
            return None
        if chance.random() < 0.6:
            chosen = chance.sample(young, min(len(young), chance.choice([1, 2, 8])))
            points = [list(version.identity) for version in chosen]
            if chance.random() < 0.3:
                points.append([f"{self._model.writer}-e0", LASTING_US - 1, None])
            return {"kind": "delete", "points": points}
        low = LASTING_US + chance.randrange(30 * MINUTE_US)
        names = [f"{self._model.writer}-e{n}" for n in chance.sample(range(KINDS["e"]), 2)]
        return {"kind": "delete", "entities": names, "range": [low, low + 3 * MINUTE_US]}

    def _entity(self) -> Operation | None:
        lasting = self._young("e")
        if len(lasting) < 20:
            return None
        return {"kind": "delete_entity", "entity": self._chance.choice(lasting).identity[0]}

    def _restoration(self) -> Operation | None:
        model, chance = self._model, self._chance
        reach = self._now - RECENT_US
        if chance.random() < 0.5 and model.last_delete is not None:
            low, high, at = model.last_delete
            if at < reach:
                return None
            return {"kind": "restore", "entities": model.entities, "seqs": [low, high]}
        oldest = self._now - YOUNG_US
        recent: dict[Identity, Version] = {}
        for version in model.versions:
            if version.is_deleted and version.dead_at >= reach and version.identity[1] >= oldest:
                recent[version.identity] = version
        if not recent:
            return None
        chosen = chance.sample(list(recent), min(len(recent), chance.choice([1, 4])))
        points = [list(identity) for identity in chosen]
        if chance.random() < 0.3:
            points.append([f"{model.writer}-e0", LASTING_US - 1, None])
        return {"kind": "restore", "points": points}

    def _attributes(self) -> Operation | None:
        lasting = self._young("e")
        if not lasting:
            return None
        chance = self._chance
        names = chance.sample(["flag", "owner", "size"], chance.choice([1, 2]))
        merge = chance.random() < 0.5
        choices = [1, 2, "x", None] if merge else [1, 2, "x"]
        return {
            "kind": "attributes",
            "entity": chance.choice(lasting).identity[0],
            "value": {name: chance.choice(choices) for name in names},
            "merge": merge,
        }


def vector_of(content: int) -> np.ndarray:
    """The vector of a content: no two are equal."""
    return np.array([content, -content, content % 97, 1], np.float32)


def metadata_of(content: int) -> dict[str, Any]:
    """The metadata of a content."""
    return {"n": content, "text": "x" * (content % 40)}


def tell_apart(found: dict[Any, Any], expected: dict[Any, Any]) -> dict[Any, Any]:
    """The (found, expected) of each name at which they differ."""
    names = found.keys() | expected.keys()
    return {
        name: (found.get(name), expected.get(name))
        for name in names
        if found.get(name) != expected.get(name)
    }

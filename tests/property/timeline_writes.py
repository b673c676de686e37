"""What each request does to a timeline, and what the reply to it ought to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.property.timeline import (
    END_OF_TIME,
    START_OF_TIME,
    Refused,
    Row,
    Timeline,
    Version,
    moment,
)

Reply = dict[str, Any]
Identity = tuple[str, int, str | None]


@dataclass(frozen=True)
class Selector:
    """Which points to delete or restore; times in µs, None for what is not given."""

    points: tuple[Identity, ...] | None = None
    entities: tuple[str, ...] | None = None
    start: int | None = None
    end: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None

    def arguments(self) -> dict[str, Any]:
        """The keywords of `delete_points` and `restore_points`."""
        points = self.points and [
            {"entity_id": entity, "timestamp": time} | ({} if key is None else {"key": key})
            for entity, time, key in self.points
        ]
        given = {
            "points": points,
            "entity_ids": self.entities and list(self.entities),
            "start_time": self.start,
            "end_time": self.end,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
        }
        return {name: value for name, value in given.items() if value is not None}

    def takes(self, version: Version) -> bool:
        start = START_OF_TIME if self.start is None else self.start
        end = END_OF_TIME if self.end is None else self.end
        return (
            (self.points is None or version.identity in self.points)
            and (self.entities is None or version.row.entity in self.entities)
            and start <= version.time < end
        )


@dataclass
class Fates:
    """What becomes of the rows of one request, by their places."""

    stored: list[int] = field(default_factory=list)
    replaces: dict[int, Version] = field(default_factory=dict)
    unchanged: int = 0
    superseded: int = 0
    conflicts: list[int] = field(default_factory=list)


def ingest(
    line: Timeline, rows: Sequence[Row], on_error: str, on_conflict: str, at: int | None = None
) -> Reply:
    """Store rows, in a commit recorded `at` some time."""
    at = line.next_at if at is None else at
    refused = _unfit(line, rows)
    if refused and on_error == "reject_all":
        unfit = "invalid_request" in refused.values()
        raise Refused("invalid_request" if unfit else "unprocessable", sorted(refused))
    left = [place for place in range(len(rows)) if place not in refused]
    while True:
        kinds, upgrades, bad = _kinds(line, rows, left)
        fates = Fates()
        if not bad:
            fates = _resolve(line, rows, left, at, on_conflict, upgrades)
            bad = fates.conflicts
        if not bad:
            break
        if on_error == "reject_all":
            raise Refused("conflict", sorted(bad))
        refused |= dict.fromkeys(bad, "conflict")
        left = [place for place in left if place not in bad]
    late = _store(line, rows, fates, kinds, upgrades, at)
    return {
        "ingested": len(fates.stored) + fates.superseded,
        "unchanged": fates.unchanged,
        "replaced": len(fates.replaces) + fates.superseded,
        "late": late,
        "rejected": len(refused),
        "errors": sorted(refused.items()),
        "seq": line.seq,
        "recorded_at": moment(line.last_at),
        "durable": True,
    }


def _unfit(line: Timeline, rows: Sequence[Row]) -> dict[int, str]:
    cutoff = line.cutoff()
    refused = {}
    for place, row in enumerate(rows):
        if line.metric == "cosine" and not any(row.vector):
            refused[place] = "invalid_request"
        elif row.time is not None and row.time < cutoff:
            refused[place] = "beyond_retention"
    return refused


def _kinds(
    line: Timeline, rows: Sequence[Row], left: Iterable[int]
) -> tuple[dict[int, str], dict[str, str], list[int]]:
    """The type of each row, the types that entities would get, the rows of another type."""
    kinds: dict[int, str] = {}
    upgrades: dict[str, str] = {}
    bad = []
    for place in left:
        entity, kind = rows[place].entity, rows[place].kind
        known = line.type_at(entity, line.seq) if entity in line.types else "GENERIC"
        present = upgrades.get(entity, known)
        if kind not in (None, present):
            if present == "GENERIC":
                upgrades[entity] = present = str(kind)
            else:
                bad.append(place)
        kinds[place] = present
    return kinds, upgrades, bad


def _resolve(
    line: Timeline,
    rows: Sequence[Row],
    left: Sequence[int],
    at: int,
    on_conflict: str,
    upgrades: dict[str, str],
) -> Fates:
    places: dict[Identity, list[int]] = {}
    for place in left:
        row = rows[place]
        time = at if row.time is None else row.time
        places.setdefault((row.entity, time, row.key), []).append(place)
    here = {v.identity: v for v in line.versions if v.lives(line.seq) and v.is_kept}
    fates = Fates()
    for identity, mine in places.items():
        last, earlier = mine[-1], mine[:-1]
        content, there = rows[last].content, here.get(identity)
        same = there is not None and there.row.content == content
        if rows[last].entity in upgrades:
            same = False  # Its type is news, and news need a version to come with.
        if there is not None and on_conflict == "ignore":
            fates.unchanged += len(mine)
            continue
        if there is not None and not same and on_conflict == "error":
            fates.conflicts += mine
            continue
        if same:
            fates.unchanged += 1
        else:
            fates.stored.append(last)
            if there is not None:
                fates.replaces[last] = there
        equal = sum(rows[place].content == content for place in earlier)
        fates.unchanged += equal
        fates.superseded += len(earlier) - equal
    fates.stored.sort()
    return fates


def _store(
    line: Timeline,
    rows: Sequence[Row],
    fates: Fates,
    kinds: dict[int, str],
    upgrades: dict[str, str],
    at: int,
) -> int:
    """Write the versions of a request; how many of them are late."""
    if not fates.stored:
        return 0
    mark = min(line.high, at) - line.config.lateness
    late = 0
    for place, seq in zip(fates.stored, line.record(len(fates.stored), at), strict=True):
        row = rows[place]
        time = at if row.time is None else row.time
        if place in fates.replaces:
            line.bury(fates.replaces[place], seq, at, "replaced")
        line.versions.append(Version(row, time, seq, at))
        late += time < mark
        line.high = max(line.high, time)
    new = {rows[place].entity for place in fates.stored} - line.types.keys()
    for place in fates.stored:
        entity, kind = rows[place].entity, kinds[place]
        known = line.types.setdefault(entity, [(0, "GENERIC")])
        if kind == upgrades.get(entity) != known[-1][1]:
            line.types[entity] = [(0, kind)] if entity in new else [*known, (line.seq, kind)]
    return late


def delete_points(line: Timeline, selector: Selector, *, dry_run: bool) -> Reply:
    """Delete what a selector takes of what is to be seen."""
    mine = [v for v in line.visible() if selector.takes(v)]
    named = set(selector.points or ())
    first = line.seq + 1
    if mine and not dry_run:
        line.delete(mine)
    return {
        "deleted": len(mine),
        "missing": len(named - {v.identity for v in mine}),
        "dry_run": dry_run,
        "first_seq": first,
        "seq": line.seq,
        "recorded_at": moment(line.last_at),
        "durable": True,
    }


def delete_entity(line: Timeline, entity: str) -> Reply:
    """Delete all that is to be seen of an entity, its type and its attributes."""
    mine = [v for v in line.visible() if v.row.entity == entity]
    if not mine:
        raise Refused("entity_not_found")
    first = line.seq + 1
    line.delete(mine, entity)
    return {
        "deleted": len(mine),
        "missing": 0,
        "dry_run": False,
        "first_seq": first,
        "seq": line.seq,
        "recorded_at": moment(line.last_at),
        "durable": True,
    }


def restore(line: Timeline, selector: Selector, oldest: int, *, dry_run: bool) -> Reply:
    """Bring back the newest deleted version of each identity that no living point has taken."""
    first = 0 if selector.first_seq is None else selector.first_seq
    last = line.seq if selector.last_seq is None else selector.last_seq
    newest: dict[Identity, Version] = {}
    for version in line.deleted(oldest):
        if selector.takes(version) and first <= (version.dead_seq or 0) <= last:
            newest.setdefault(version.identity, version)
    back = [v for identity, v in newest.items() if not line.living(identity)]
    begin = line.seq + 1
    if not dry_run:
        line.bring_back(back)
    return {
        "restored": len(back),
        "missing": len(set(selector.points or ()) - set(newest)),
        "occupied": len(newest) - len(back),
        "dry_run": dry_run,
        "first_seq": begin,
        "seq": line.seq,
        "recorded_at": moment(line.last_at),
        "durable": True,
    }


def change_attributes(
    line: Timeline, entity: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Reply:
    """Give an entity other attributes."""
    if not any(v.row.entity == entity for v in line.visible()):
        raise Refused("entity_not_found")
    text, changed = line.attributes_at(entity, line.seq)
    after = json.dumps(change(json.loads(text or "{}")))
    if after != (text or "{}"):
        (changed,) = line.record(1, line.next_at)
        line.attributes.setdefault(entity, []).append((changed, after))
    return {
        "entity_id": entity,
        "attributes": json.loads(after),
        "as_of_seq": line.seq,
        "changed_seq": changed,
    }


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7396, as the RFC spells it."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged

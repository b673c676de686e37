"""What each read ought to say of a timeline, by a look at every version."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.property.timeline import (
    END_OF_TIME,
    START_OF_TIME,
    Refused,
    Timeline,
    Version,
    micros,
    moment,
    span,
)

Answer = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A half-open range of event time in µs, None for an open side."""

    start: int | None = None
    end: int | None = None

    def holds(self, time: int) -> bool:
        low = START_OF_TIME if self.start is None else self.start
        return low <= time < (END_OF_TIME if self.end is None else self.end)

    def arguments(self) -> dict[str, int]:
        given = {"start_time": self.start, "end_time": self.end}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Near:
    """A temporal kNN question."""

    vector: tuple[float, ...] | None
    entity: str | None
    at: int | None
    within: Span
    k: int
    types: tuple[str, ...] | None
    entities: tuple[str, ...] | None
    distinct: bool
    include: tuple[str, ...]

    def arguments(self) -> dict[str, Any]:
        """The keywords of `Collection.temporal_knn`."""
        given: dict[str, Any] = {
            "query_vector": None if self.vector is None else list(self.vector),
            "entity_id": self.entity,
            "at": self.at,
            "k": self.k,
            "entity_types": None if self.types is None else list(self.types),
            "entity_ids": None if self.entities is None else list(self.entities),
            "distinct": "entity" if self.distinct else None,
            "include": list(self.include),
        }
        given |= self.within.arguments()
        return {name: value for name, value in given.items() if value is not None}


def resolve_moment(line: Timeline, as_of: Any, reported: int) -> tuple[int, bool]:
    """The change that `as_of` means, and whether an answer `gone` would be right as well.

    `reported` is the oldest change that can be read, as the collection says. What was let go while
    the horizon was shorter stays gone when it grows.
    """
    if as_of is None:
        return line.seq, False
    if isinstance(as_of, int):
        if as_of > line.seq:
            raise Refused("invalid_request")
        if as_of < reported:
            raise Refused("gone")
        return as_of, False
    if as_of <= moment(line.clock.wall):
        line.asked = max(line.asked, micros(as_of))
    if as_of > moment(max(line.clock.wall, line.last_at)):
        raise Refused("invalid_request")
    reach = line.expiry.now() - span(line.config.history_horizon)
    if micros(as_of) < reach:
        raise Refused("gone")
    return line.past_seq(micros(as_of)), micros(as_of) < line.reach_ever


def distance(metric: str, one: Sequence[float], other: Sequence[float]) -> float:
    """Exact where the coordinates, and under cosine the lengths, are small whole numbers."""
    if metric == "l2":
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))
    product = sum(a * b for a, b in zip(one, other, strict=True))
    if metric == "dot":
        return -product
    lengths = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    return min(max(1.0 - product / lengths, 0.0), 2.0)


def similarity(metric: str, away: float) -> float:
    return {"cosine": 1.0 - away, "l2": 1.0 / (1.0 + away), "dot": -away}[metric]


def point(
    line: Timeline, version: Version, seq: int, include: Sequence[str] = ("metadata",)
) -> Answer:
    """A point as every list of points shows it."""
    row = version.row
    shown: Answer = {
        "entity_id": row.entity,
        "entity_type": line.type_at(row.entity, seq),
        "timestamp": moment(version.time),
        "recorded_at": moment(version.at),
        "seq": version.seq,
    }
    if row.key is not None:
        shown["key"] = row.key
    if "metadata" in include:
        shown["metadata"] = row.metadata or {}
    if "vector" in include:
        shown["vector"] = repr(row.vector)
    return shown


def newest(versions: Sequence[Version]) -> Version:
    return max(versions, key=lambda v: (v.time, v.seq))


def nearest(line: Timeline, question: Near, seq: int) -> Answer:
    """The answer to a kNN question; `eligible` is the number to choose from."""
    seen = line.visible(seq)
    target = question.vector
    if target is None:
        mine = [v for v in seen if v.row.entity == question.entity]
        if not mine:
            raise Refused("entity_not_found")
        mine = [v for v in mine if question.at is None or v.time <= question.at]
        if not mine:
            raise Refused("insufficient_history")
        target = newest(mine).row.vector
    elif line.metric == "cosine" and not any(target):
        raise Refused("invalid_request")
    own = question.entity if question.entities is None else None
    eligible = [
        v
        for v in seen
        if question.within.holds(v.time)
        and v.row.entity != own
        and (question.entities is None or v.row.entity in question.entities)
        and (question.types is None or line.type_at(v.row.entity, seq) in question.types)
    ]
    ranked = sorted(
        ((distance(line.metric, target, v.row.vector), v) for v in eligible),
        key=lambda pair: (
            pair[0],
            -pair[1].time,
            pair[1].row.entity,
            pair[1].row.key or "",
            -pair[1].seq,
        ),
    )
    if question.distinct:
        first: dict[str, tuple[float, Version]] = {}
        for pair in ranked:
            first.setdefault(pair[1].row.entity, pair)
        ranked = list(first.values())
    hits = [
        point(line, version, seq, question.include)
        | {"distance": away, "similarity": similarity(line.metric, away)}
        for away, version in ranked[: question.k]
    ]
    return {
        "hits": hits,
        "returned": len(hits),
        "exact": True,
        "eligible": len(ranked),
        "as_of_seq": seq,
    }


def history(line: Timeline, entity: str, within: Span, order: str, seq: int) -> list[Version]:
    """An entity's points in a range, by event time."""
    mine = [v for v in line.visible(seq) if v.row.entity == entity]
    if not mine:
        raise Refused("entity_not_found")
    mine = sorted((v for v in mine if within.holds(v.time)), key=lambda v: (v.time, v.seq))
    return mine if order == "asc" else mine[::-1]


def entity_info(line: Timeline, entity: str, seq: int) -> Answer:
    mine = [v for v in line.visible(seq) if v.row.entity == entity]
    if not mine:
        raise Refused("entity_not_found")
    times = [v.time for v in mine]
    return {
        "entity_id": entity,
        "entity_type": line.type_at(entity, seq),
        "first_seen": moment(min(times)),
        "last_seen": moment(max(times)),
        "points": len(mine),
        "attributes": json.loads(line.attributes_at(entity, seq)[0] or "{}"),
        "latest": point(line, newest(mine), seq),
        "as_of_seq": seq,
    }


def entity_attributes(line: Timeline, entity: str, seq: int) -> Answer:
    if not any(v.row.entity == entity for v in line.visible(seq)):
        raise Refused("entity_not_found")
    text, changed = line.attributes_at(entity, seq)
    return {
        "entity_id": entity,
        "attributes": json.loads(text or "{}"),
        "as_of_seq": seq,
        "changed_seq": changed,
    }


def windows(line: Timeline, within: Span, seq: int) -> list[Answer]:
    """The windows that hold points, oldest first."""
    width, cutoff = line.width, line.cutoff()
    counts = Counter(v.time // width for v in line.visible(seq) if within.holds(v.time))
    dead = Counter(v.time // width for v in _dead(line, seq, cutoff) if within.holds(v.time))
    before: int | None = None
    found = []
    for number in sorted(counts):
        found.append(
            {
                "start_time": moment(number * width),
                "end_time": moment((number + 1) * width),
                "points": counts[number],
                "dead_points": dead[number],
                "empty_before": 0 if before is None else number - before - 1,
            }
        )
        before = number
    return found


def _dead(line: Timeline, seq: int, cutoff: int) -> list[Version]:
    return [
        v
        for v in line.versions
        if v.is_kept and v.dead_seq is not None and v.dead_seq <= seq and v.time >= cutoff
    ]


def stats(line: Timeline, seq: int) -> Answer:
    seen = line.visible(seq)
    times = sorted(v.time for v in seen)
    numbers = sorted({time // line.width for time in times})
    steps = [after - before for before, after in pairwise(numbers)]
    gaps = [step - 1 for step in steps if step > 1]
    return {
        "points": len(seen),
        "dead_points": len(_dead(line, seq, line.cutoff())),
        "entities": len({v.row.entity for v in seen}),
        "windows": len(numbers),
        "gaps": len(gaps),
        "largest_gap_seconds": max(gaps, default=0) * line.width / 1e6,
        "first_time": moment(times[0]) if times else None,
        "last_time": moment(times[-1]) if times else None,
        "as_of_seq": seq,
    }


def deleted_points(
    line: Timeline, entities: Sequence[str] | None, within: Span, seq: int, oldest: int
) -> list[Answer]:
    """The deleted points that could be brought back, the newest deletion first."""
    first: dict[tuple[str, int, str | None], Version] = {}
    for version in line.deleted(oldest, seq):
        if within.holds(version.time) and (entities is None or version.row.entity in entities):
            first.setdefault(version.identity, version)
    return [
        point(line, v, seq) | {"deleted_at": moment(v.dead_at), "deleted_seq": v.dead_seq}
        for identity, v in first.items()
        if not line.living(identity, seq)
    ]

"""Answers: what the operations return."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tsvec.model.limits import Limits
from tsvec.model.vectors import Vector

REPLY = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def _absent(value: object) -> bool:
    """A field that was not asked for is left out of the reply, not sent as null."""
    return value is None


class IngestError(BaseModel):
    """Why one row was refused."""

    model_config = REPLY

    index: int = Field(description="The row, counted from 0.")
    code: str = Field(description="An error code, or `beyond_retention`.")
    message: str = Field(description="What was wrong and what is expected.")


class IngestReply(BaseModel):
    """What became of one ingest request; it is on disk when this is sent."""

    model_config = REPLY

    ingested: int = Field(description="Rows stored as new versions of points.")
    unchanged: int = Field(
        description="Rows equal to what is stored, or passed over by on_conflict=ignore."
    )
    replaced: int = Field(
        description="Versions that ended by this: stored ones, and rows that a later row replaces."
    )
    late: int = Field(description="Rows stored below the lateness mark.")
    rejected: int = Field(description="Rows refused; only with on_error=skip_row.")
    errors: list[IngestError] = Field(description="Why, one entry a refused row.")
    seq: int = Field(description="Number of the last change of this commit.")
    recorded_at: datetime = Field(description="When it was committed; never runs backwards.")
    durable: bool = Field(description="True: written and fsynced.")


class DeleteReply(BaseModel):
    """What became of one delete; it is on disk when this is sent."""

    model_config = REPLY

    deleted: int = Field(description="Points deleted, or that would be.")
    missing: int = Field(description="Points named that are not there.")
    dry_run: bool = Field(description="True: everything stays as it is.")
    first_seq: int = Field(description="Number of the first deletion; above `seq`: none.")
    seq: int = Field(description="Number of the last change.")
    recorded_at: datetime = Field(description="When that was committed.")
    durable: bool = Field(description="True: written and fsynced.")


class RestoreReply(BaseModel):
    """What became of one restore; it is on disk when this is sent."""

    model_config = REPLY

    restored: int = Field(description="Points brought back, or that would be.")
    missing: int = Field(description="Points named of which no deleted version is kept.")
    occupied: int = Field(description="Points whose place a live point has taken.")
    dry_run: bool = Field(description="True: everything stays as it is.")
    first_seq: int = Field(description="Number of the first point back; above `seq`: none.")
    seq: int = Field(description="Number of the last change.")
    recorded_at: datetime = Field(description="When that was committed.")
    durable: bool = Field(description="True: written and fsynced.")


class Point(BaseModel):
    """A stored point."""

    model_config = REPLY

    entity_id: str = Field(description="The thing observed.")
    entity_type: str = Field(description="Its type.")
    timestamp: datetime = Field(description="Event time.")
    key: str | None = Field(
        default=None, exclude_if=_absent, description="Present if the point was given one."
    )
    recorded_at: datetime = Field(description="When it was committed.")
    seq: int = Field(description="Its number among the changes of the collection.")
    metadata: dict[str, Any] | None = Field(
        default=None, exclude_if=_absent, description="With include=metadata."
    )
    vector: Vector | None = Field(
        default=None, exclude_if=_absent, description="With include=vector; as it was given."
    )


class DeletedPoint(Point):
    """A point that was deleted and can still be brought back."""

    deleted_at: datetime = Field(description="When its deletion was committed.")
    deleted_seq: int = Field(description="Number of its deletion.")


class DeletedPointList(BaseModel):
    """One page of deleted points."""

    model_config = REPLY

    items: list[DeletedPoint] = Field(description="Points of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change this page includes.")


class Hit(Point):
    """A point found near a query."""

    distance: float = Field(
        description="cosine: 1 - cos; l2: Euclidean distance; dot: minus the inner product."
    )
    similarity: float = Field(
        description="cosine: cos; l2: 1 / (1 + distance); dot: the inner product."
    )
    score: float | None = Field(
        default=None,
        exclude_if=_absent,
        description="With time_decay: the weight of its age times (1 + cos) / 2 or, under l2, "
        "1 / (1 + distance).",
    )


class Eligible(BaseModel):
    """How many points, or with `distinct` entities, the range and filters leave to choose from."""

    model_config = REPLY

    value: int = Field(description="The count.")
    relation: Literal["eq", "gte"] = Field(description="`eq`: exactly; `gte`: at least.")


class PlanStep(BaseModel):
    """What was done with one part of the window set."""

    model_config = REPLY

    part: str = Field(description="A partition's name, or `hot-…`.")
    method: Literal["pruned", "decayed", "exact"] = Field(
        description="Left out by time, left out because what it holds is too old to count, or "
        "scanned."
    )
    rows: int = Field(description="Rows the part holds.")
    rows_scanned: int = Field(description="Rows compared with the query.")
    rows_decayed: int = Field(description="Rows too old to count enough, not compared.")


class Explain(BaseModel):
    """The plan that was run."""

    model_config = REPLY

    steps: list[PlanStep] = Field(description="One step a part of the window set.")
    parts_pruned: int = Field(description="Parts outside the time range.")
    parts_decayed: int = Field(description="Parts left out because of `time_decay`.")
    parts_exact: int = Field(description="Parts scanned.")
    rows_scanned: int = Field(description="Rows compared with the query.")
    rows_decayed: int = Field(description="Rows left out because of `time_decay`.")
    rows_rescored: int = Field(description="Candidates measured again in double precision.")
    planning_us: int = Field(description="Microseconds spent choosing parts and rows.")
    scanning_us: int = Field(
        description="Microseconds spent comparing, with whatever was asked at the same time."
    )
    reading_us: int = Field(description="Microseconds spent reading what hits carry, likewise.")
    microseconds: int = Field(description="The sum of these.")


class TemporalKnnReply(BaseModel):
    """The k best points, in total order: distance or score, newer first, entity_id, key."""

    model_config = REPLY

    hits: list[Hit] = Field(description="Nearest first, or with the greatest score.")
    returned: int = Field(description="min(k, eligible), always.")
    exact: bool = Field(description="Whether these are certainly the nearest.")
    eligible: Eligible = Field(description="How many there were to choose from.")
    as_of_seq: int = Field(description="The last change this answer includes.")
    explain: Explain | None = Field(
        default=None, exclude_if=_absent, description="With explain=true."
    )


class TemporalKnnBatchReply(BaseModel):
    """One reply a query, in the order asked, all of the same window set."""

    model_config = REPLY

    results: list[TemporalKnnReply] = Field(description="One a query.")
    as_of_seq: int = Field(description="The last change these answers include.")


class HistoryReply(BaseModel):
    """One page of an entity's points."""

    model_config = REPLY

    items: list[Point] = Field(description="Points of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change this page includes.")


class EntityInfo(BaseModel):
    """What is known of an entity."""

    model_config = REPLY

    entity_id: str = Field(description="Its id.")
    entity_type: str = Field(description="Its type; `GENERIC` if never given.")
    first_seen: datetime = Field(description="Oldest event time.")
    last_seen: datetime = Field(description="Newest event time.")
    points: int = Field(description="Points stored.")
    attributes: dict[str, Any] = Field(description="What is known of the entity itself.")
    latest: Point = Field(description="Its newest point by event time.")
    as_of_seq: int = Field(description="The last change this includes.")


class AttributesReply(BaseModel):
    """What is known of an entity itself."""

    model_config = REPLY

    entity_id: str = Field(description="Its id.")
    attributes: dict[str, Any] = Field(description="Its attributes; empty if none were set.")
    as_of_seq: int = Field(description="The last change this includes.")
    changed_seq: int | None = Field(
        description="Number of the change that set them; null: they were never set."
    )


class Health(BaseModel):
    """Whether the process is alive and its storage sound."""

    model_config = REPLY

    status: Literal["ok", "degraded", "failed"] = Field(
        description="`degraded`: reads only or part of the data refused; `failed`: writes stopped."
    )
    problems: list[str] = Field(description="What is wrong, one sentence each.")


class Readiness(BaseModel):
    """Whether requests can be served."""

    model_config = REPLY

    ready: bool = Field(description="True once recovery is done.")


CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "api_keys": "callers have keys with scopes, of tenants that see only their own",
        "arrow_ingest": "ingest takes an Arrow IPC stream",
        "as_of": "reads answer as the collection stood after a seq or at a recorded time",
        "attributes": "entities have attributes of their own",
        "batches": "temporal_knn_batch answers many questions at once",
        "compaction": "compact rewrites partitions into fewer ones when it is asked to",
        "conflict_rules": "on_conflict says what becomes of a point whose place is taken",
        "deadlines": "a query ends with an error when its time is up",
        "deletes": "points and entities can be deleted, also by entity, range and filter",
        "diff": "temporal_diff compares what is near in two time ranges",
        "distinct": "temporal_knn finds the best point of each entity",
        "exact_knn": "the nearest points are certainly the nearest",
        "explain": "questions about what is near return the plan that was run",
        "filters": "questions, lists and deletes take filters of metadata and attributes",
        "gzip_bodies": "bodies of requests may come with Content-Encoding: gzip",
        "idempotency": "a change with an Idempotency-Key is made once, however often it is sent",
        "lists": "points, entities and windows are listed in pages that agree with each other",
        "metadata_patch": "update_point changes the metadata of a point",
        "ndjson_ingest": "ingest takes one JSON object a line",
        "radius": "temporal_range finds all points within a distance",
        "retention": "points older than a collection's retention are hidden, then removed",
        "sampling": "get_history gives the newest point of each interval of time",
        "spaces": "a collection may name the embedding model of its vectors and refuse another",
        "time_decay": "temporal_knn lets older points count less",
        "undo": "restore_points brings back what was deleted",
        "wait_for_seq": "reads wait until a change is visible",
        "walk": "temporal_knn_walk asks one question at many moments of the past",
    }
)
"""What this version can do, by the names in `Info.capabilities`."""


class Info(BaseModel):
    """The server, its limits and what it can do."""

    model_config = REPLY

    version: str = Field(description="Version of tsvec.")
    api_version: str = Field(description="Version of the API description.")
    format_version: int = Field(description="Version of the files on disk.")
    limits: Limits = Field(description="The limits in force.")
    capabilities: list[str] = Field(
        description="Names of what it can do, sorted; `x-tsvec-capabilities` tells what they mean."
    )

"""Questions: temporal kNN, history, windows; and which points to delete or restore."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tsvec.model.limits import LIMITS
from tsvec.model.points import EntityId, EntityType, PointKey
from tsvec.model.times import SEQ_MAX, TIME_MAX_US, TIME_MIN_US, Instant, Moment
from tsvec.model.vectors import RECORD, Vector

Include = Literal["metadata", "vector"]
Order = Literal["asc", "desc"]
_Names = Field(max_length=LIMITS.selector_items_max)
_SomeNames = Field(min_length=1, max_length=LIMITS.selector_items_max)
_SomePoints = Field(min_length=1, max_length=LIMITS.selector_points_max)
_Seq = Annotated[int, Field(strict=True, ge=0, le=SEQ_MAX)]
_Limit = Annotated[int, Field(strict=True, ge=1, le=LIMITS.page_items_max)]


class TimeRange(BaseModel):
    """A half-open range of event time, start_time <= t < end_time; either side may be open."""

    model_config = RECORD

    start_time: Instant | None = Field(default=None, description="First instant included.")
    end_time: Instant | None = Field(default=None, description="First instant excluded.")

    @property
    def bounds(self) -> tuple[int, int]:
        """The half-open range in µs, open sides filled in."""
        start = TIME_MIN_US if self.start_time is None else self.start_time
        end = TIME_MAX_US + 1 if self.end_time is None else self.end_time
        return start, end

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        start, end = self.start_time, self.end_time
        if start is not None and end is not None and start > end:
            raise ValueError("start_time must not be after end_time")
        return self


class ReadAt(BaseModel):
    """The state of the collection that a read sees; by default the newest."""

    model_config = RECORD

    as_of: Moment | None = Field(
        default=None,
        description="Answer as the collection stood after this seq, or at this recorded time.",
    )
    wait_for_seq: _Seq | None = Field(
        default=None, description="Answer once this change is visible; `unavailable` after 30 s."
    )


class TemporalKnnRequest(TimeRange, ReadAt):
    """Which points of a time range are nearest to a vector, or to where an entity was."""

    query_vector: Vector | None = Field(
        default=None, description="The vector to compare with; or give `entity_id`."
    )
    entity_id: EntityId | None = Field(
        default=None,
        description="Compare with this entity's newest vector; its own points are left out "
        "unless `entity_ids` is given.",
    )
    at: Instant | None = Field(
        default=None, description="With `entity_id`: its newest vector not after this time."
    )
    k: Annotated[int, Field(strict=True, ge=1, le=LIMITS.k_max)] = Field(
        default=10, description="How many neighbours."
    )
    entity_types: Annotated[list[EntityType], _Names] | None = Field(
        default=None, description="Only entities whose type is one of these; empty: none."
    )
    entity_ids: Annotated[list[EntityId], _Names] | None = Field(
        default=None, description="Only these entities; empty: none."
    )
    distinct: Literal["entity"] | None = Field(
        default=None, description="`entity`: the best point of each of k entities."
    )
    include: list[Include] = Field(
        default=["metadata"], max_length=2, description="What each hit carries besides its place."
    )
    explain: bool = Field(default=False, strict=True, description="Return the plan that was run.")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.query_vector is None) == (self.entity_id is None):
            raise ValueError("give exactly one of query_vector and entity_id")
        if self.at is not None and self.entity_id is None:
            raise ValueError("`at` goes with entity_id")
        return self


class TemporalKnnBatchRequest(BaseModel):
    """Many questions answered from one window set."""

    model_config = RECORD

    queries: Annotated[
        list[TemporalKnnRequest], Field(min_length=1, max_length=LIMITS.queries_max)
    ] = Field(description="The questions, answered in this order; their `k` add up to a limit.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        hits = sum(query.k for query in self.queries)
        if hits > LIMITS.batch_hits_max:
            raise ValueError(
                f"the queries ask for {hits} neighbours in all, more than {LIMITS.batch_hits_max} "
                "(batch_hits_max); send them in several batches"
            )
        return self


class HistoryRequest(TimeRange, ReadAt):
    """The points of one entity over time."""

    entity_id: EntityId = Field(description="Whose history.")
    limit: _Limit = Field(default=100, description="Points on a page.")
    order: Order = Field(default="asc", description="By event time: `asc` oldest first, or `desc`.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")
    include: list[Include] = Field(
        default=["metadata"], max_length=2, description="What each point carries."
    )


class WindowsRequest(TimeRange, ReadAt):
    """The windows that hold points."""

    limit: _Limit = Field(default=100, description="Windows on a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


class PointRef(BaseModel):
    """Which point: the three things that tell it from every other."""

    model_config = RECORD

    entity_id: EntityId = Field(description="The thing observed.")
    timestamp: Instant = Field(description="Event time with an offset.")
    key: PointKey | None = Field(default=None, description="Omitted: the point without a key.")


class PointSelector(TimeRange):
    """Some points by name, or all of some entities, of a time range, or of both."""

    points: Annotated[list[PointRef], _SomePoints] | None = Field(
        default=None, description="These points; then neither entity_ids nor a range is given."
    )
    entity_ids: Annotated[list[EntityId], _SomeNames] | None = Field(
        default=None, description="Points of these entities."
    )

    @property
    def names_nothing(self) -> bool:
        """Whether nothing says which points are meant."""
        return self.points is None and self.entity_ids is None and not self.has_range

    @property
    def has_range(self) -> bool:
        """Whether a side of the time range is closed."""
        return self.start_time is not None or self.end_time is not None

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if self.names_nothing:
            raise ValueError(
                "an empty selector selects nothing; name points, entity_ids or a time range"
            )
        if self.points is not None and (self.entity_ids is not None or self.has_range):
            raise ValueError("give either points, or entity_ids and a time range")
        return self


class DeletePointsRequest(PointSelector):
    """Which points to delete."""

    dry_run: bool = Field(
        default=False, strict=True, description="Only count; everything stays as it is."
    )


class RestorePointsRequest(PointSelector):
    """Which deleted points to bring back."""

    first_seq: _Seq | None = Field(
        default=None, description="Only points whose deletion has this seq or a later one."
    )
    last_seq: _Seq | None = Field(
        default=None, description="Only points whose deletion has this seq or an earlier one."
    )
    dry_run: bool = Field(
        default=False, strict=True, description="Only count; everything stays as it is."
    )

    @property
    def names_nothing(self) -> bool:
        """Whether nothing says which points are meant; the seqs of a deletion do."""
        return super().names_nothing and self.first_seq is None and self.last_seq is None

    @model_validator(mode="after")
    def _seqs_ordered(self) -> Self:
        first, last = self.first_seq, self.last_seq
        if first is not None and last is not None and first > last:
            raise ValueError("first_seq must not be after last_seq")
        return self


class DeletedPointsRequest(TimeRange, ReadAt):
    """The points that were deleted and are still kept."""

    entity_ids: Annotated[list[EntityId], _Names] | None = Field(
        default=None, description="Only of these entities; empty: none."
    )
    limit: _Limit = Field(default=100, description="Points on a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")

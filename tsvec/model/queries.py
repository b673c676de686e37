"""Questions: temporal kNN, history, windows; and which points to delete or restore."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from tsvec.model.filters.parser import Filter
from tsvec.model.limits import AtMost, limits
from tsvec.model.nearest.decay import TimeDecay
from tsvec.model.points import EntityId, EntityType, PointKey, Space
from tsvec.model.times import SEQ_MAX, TIME_MAX_US, TIME_MIN_US, Duration, Instant, Moment
from tsvec.model.vectors import RECORD, Vector

Include = Literal["metadata", "vector"]
Order = Literal["asc", "desc"]
_Names = AtMost("selector_items_max", is_list=True)
_Some = Field(min_length=1)
_Points = AtMost("selector_points_max", is_list=True)
_Seq = Annotated[int, Field(strict=True, ge=0, le=SEQ_MAX)]
_Limit = Annotated[int, Field(strict=True, ge=1), AtMost("page_items_max")]


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


class PageRequest(ReadAt):
    """Which page of a list. Every page is read as of the change the first one was read after."""

    operation: ClassVar[str]
    """The operation that answers it; a cursor is good for no other."""

    limit: _Limit = Field(default=100, description="Items on a page.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


class NearRequest(BaseModel):
    """What to compare with, who may be an answer, and what an answer carries."""

    model_config = RECORD

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
    entity_types: Annotated[list[EntityType], _Names] | None = Field(
        default=None, description="Only entities whose type is one of these; empty: none."
    )
    entity_ids: Annotated[list[EntityId], _Names] | None = Field(
        default=None, description="Only these entities; empty: none."
    )
    filter: Filter | None = Field(
        default=None,
        description="Only points whose metadata is so, and in `$attributes` the attributes of "
        "their entity; see the guide.",
    )
    space: Space | None = Field(
        default=None,
        description="The embedding model of the vectors; another one than the collection's is a "
        "`conflict`.",
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


class KnnRequest(TimeRange, NearRequest):
    """A temporal kNN question, whatever state of the collection it is asked of."""

    k: Annotated[int, Field(strict=True, ge=1), AtMost("k_max")] = Field(
        default=10, description="How many neighbours."
    )
    distinct: Literal["entity"] | None = Field(
        default=None, description="`entity`: the best point of each of k entities."
    )
    time_decay: TimeDecay | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Let older points count less; under cosine and l2 only.",
    )

    @field_validator("time_decay", mode="before")
    @classmethod
    def _no_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.mode == "json":
            raise ValueError("an object is expected; leave the field out for no decay")
        return value


class TemporalKnnRequest(KnnRequest, ReadAt):
    """Which points of a time range are nearest to a vector, or to where an entity was."""


class TemporalKnnBatchRequest(BaseModel):
    """Many questions answered from one window set."""

    model_config = RECORD

    queries: Annotated[list[TemporalKnnRequest], _Some, AtMost("queries_max", is_list=True)] = (
        Field(description="The questions, answered in this order; their `k` add up to a limit.")
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        hits, most = sum(query.k for query in self.queries), limits().batch_hits_max
        if hits > most:
            raise ValueError(
                f"the queries ask for {hits} neighbours in all, more than {most} "
                "(batch_hits_max); send them in several batches"
            )
        return self


class HistoryRequest(TimeRange, PageRequest):
    """The points of one entity over time."""

    operation = "get_history"

    entity_id: EntityId = Field(description="Whose history.")
    every: Duration | None = Field(
        default=None,
        description="Only the newest point of each interval of this width, aligned to 1970 UTC.",
    )
    order: Order = Field(default="asc", description="By event time: `asc` oldest first, or `desc`.")
    include: list[Include] = Field(
        default=["metadata"], max_length=2, description="What each point carries."
    )


class WindowsRequest(TimeRange, PageRequest):
    """The windows that hold points."""

    operation = "list_windows"


class PointRef(BaseModel):
    """Which point: the three things that tell it from every other."""

    model_config = RECORD

    entity_id: EntityId = Field(description="The thing observed.")
    timestamp: Instant = Field(description="Event time with an offset.")
    key: PointKey | None = Field(default=None, description="Omitted: the point without a key.")


class PointSelector(TimeRange):
    """Some points by name, or all of some entities, of a time range, or of both."""

    points: Annotated[list[PointRef], _Some, _Points] | None = Field(
        default=None, description="These points; then neither entity_ids nor a range is given."
    )
    entity_ids: Annotated[list[EntityId], _Some, _Names] | None = Field(
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

    filter: Filter | None = Field(
        default=None,
        description="Points whose metadata is so, and in `$attributes` the attributes of their "
        "entity; alone, or with entity_ids and a range.",
    )
    dry_run: bool = Field(
        default=False, strict=True, description="Only count; everything stays as it is."
    )

    @property
    def names_nothing(self) -> bool:
        """Whether nothing says which points are meant; a filter without a condition does not."""
        has_filter = self.filter is not None and not self.filter.is_empty
        return super().names_nothing and not has_filter

    @model_validator(mode="after")
    def _filter_apart(self) -> Self:
        if self.points is not None and self.filter is not None:
            raise ValueError("give either points, or a filter")
        return self


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


class DeletedPointsRequest(TimeRange, PageRequest):
    """The points that were deleted and are still kept."""

    operation = "list_deleted_points"

    entity_ids: Annotated[list[EntityId], _Names] | None = Field(
        default=None, description="Only of these entities; empty: none."
    )

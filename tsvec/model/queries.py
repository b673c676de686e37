"""Questions: temporal kNN and history."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tsvec.model.limits import LIMITS
from tsvec.model.points import EntityId, EntityType
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, Instant
from tsvec.model.vectors import RECORD, Vector

Include = Literal["metadata", "vector"]
Order = Literal["asc", "desc"]
_Names = Field(max_length=LIMITS.selector_items_max)


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


class TemporalKnnRequest(TimeRange):
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


class HistoryRequest(TimeRange):
    """The points of one entity over time."""

    entity_id: EntityId = Field(description="Whose history.")
    limit: Annotated[int, Field(strict=True, ge=1, le=LIMITS.page_items_max)] = Field(
        default=100, description="Points on a page."
    )
    order: Order = Field(default="asc", description="By event time: `asc` oldest first, or `desc`.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")
    include: list[Include] = Field(
        default=["metadata"], max_length=2, description="What each point carries."
    )

"""Questions for single points and for lists of points and entities."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from tsvec.model.filters.parser import Filter, ParsedFilter
from tsvec.model.filters.predicates import is_of_entity
from tsvec.model.limits import AtMost
from tsvec.model.points import EntityId, EntityType
from tsvec.model.queries import Include, Order, PageRequest, PointRef, ReadAt, TimeRange
from tsvec.model.vectors import RECORD

EntitySort = Literal["entity_id", "last_seen", "first_seen", "points"]
ReadColumn = Literal["metadata", "vector", "recorded_at", "seq"]
_Names = AtMost("selector_items_max", is_list=True)
_Include = Field(max_length=2)


class PointsChoice(TimeRange):
    """Some of the points of a collection."""

    entity_ids: Annotated[list[EntityId], _Names] | None = Field(
        default=None, description="Only of these entities; empty: none."
    )
    entity_types: Annotated[list[EntityType], _Names] | None = Field(
        default=None, description="Only of entities whose type is one of these; empty: none."
    )
    filter: Filter | None = Field(
        default=None,
        description="Only points whose metadata is so, and in `$attributes` the attributes of "
        "their entity.",
    )


class PointsRequest(PointsChoice, PageRequest):
    """The points of a collection, in order."""

    operation = "list_points"

    order: Order = Field(default="asc", description="By event time: `asc` oldest first, or `desc`.")
    include: Annotated[list[Include], _Include] = Field(
        default=["metadata"], description="What each point carries."
    )


class ReadPointsRequest(PointsChoice, ReadAt):
    """All points of a range as columns, in order of event time and then of seq."""

    include: Annotated[list[ReadColumn], Field(max_length=4)] = Field(
        default=["metadata", "vector"],
        description="Columns besides those that tell which points they are.",
    )


class PointRequest(PointRef, ReadAt):
    """One point."""

    include: Annotated[list[Include], _Include] = Field(
        default=["metadata"], description="What it carries."
    )


class PointPatch(BaseModel):
    """A change of one point, which keeps its vector."""

    model_config = RECORD

    metadata: dict[str, Any] = Field(
        description="A merge patch (RFC 7396) of its metadata; a null removes a member."
    )


class EntitiesRequest(TimeRange, PageRequest):
    """The entities of a collection, in order."""

    operation = "list_entities"

    prefix: EntityId | None = Field(
        default=None, description="Only entities whose id begins so, letter case and all."
    )
    entity_types: Annotated[list[EntityType], _Names] | None = Field(
        default=None, description="Only entities whose type is one of these; empty: none."
    )
    filter: Filter | None = Field(
        default=None, description="Only entities whose attributes are so."
    )
    sort: EntitySort = Field(
        default="entity_id", description="What the order goes by; among equals, `entity_id`."
    )
    order: Order = Field(default="asc", description="`asc`: the least first; `desc`: the greatest.")

    @field_validator("filter")
    @classmethod
    def _is_of_attributes(cls, parsed: ParsedFilter | None) -> ParsedFilter | None:
        if parsed is not None and is_of_entity(parsed.predicate):
            raise ValueError("in this list all of it is about attributes; leave `$attributes` out")
        return parsed

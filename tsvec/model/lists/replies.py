"""Answers: single points, and pages of points and entities."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from tsvec.model.replies import REPLY, Point


class PointList(BaseModel):
    """One page of points."""

    model_config = REPLY

    items: list[Point] = Field(description="Points of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change this page includes.")


class UpdateReply(BaseModel):
    """A point as an update left it; that is on disk when this is sent."""

    model_config = REPLY

    point: Point = Field(description="The point, with its metadata.")
    changed: bool = Field(description="False: it was so already.")
    seq: int = Field(description="Number of the last change.")
    recorded_at: datetime = Field(description="When that was committed.")
    durable: bool = Field(description="True: written and fsynced.")


class EntitySummary(BaseModel):
    """An entity in a list."""

    model_config = REPLY

    entity_id: str = Field(description="Its id.")
    entity_type: str = Field(description="Its type; `GENERIC` if never given.")
    first_seen: datetime = Field(description="Oldest event time.")
    last_seen: datetime = Field(description="Newest event time.")
    points: int = Field(description="Points stored.")
    attributes: dict[str, Any] = Field(description="What is known of the entity itself.")


class EntityList(BaseModel):
    """One page of entities."""

    model_config = REPLY

    items: list[EntitySummary] = Field(description="Entities of this page.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")
    as_of_seq: int = Field(description="The last change this page includes.")

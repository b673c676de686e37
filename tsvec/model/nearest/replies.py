"""Answers to the questions of this room."""

from __future__ import annotations

from pydantic import BaseModel, Field

from tsvec.model.replies import REPLY, Eligible, Explain, Hit


def _absent(value: object) -> bool:
    return value is None


class TemporalRangeReply(BaseModel):
    """The points within a radius, in total order: distance, newer first, entity_id, key."""

    model_config = REPLY

    hits: list[Hit] = Field(description="Nearest first, at most `limit`.")
    returned: int = Field(description="How many these are: min(limit, matched).")
    matched: Eligible = Field(description="How many are within the radius.")
    truncated: bool = Field(description="Whether `limit` left some of them out.")
    exact: bool = Field(description="Whether these are certainly the nearest.")
    eligible: Eligible = Field(description="How many there were to choose from.")
    as_of_seq: int = Field(description="The last change this answer includes.")
    explain: Explain | None = Field(
        default=None, exclude_if=_absent, description="With explain=true."
    )


class RankedHit(BaseModel):
    """An entity among the nearest of one range: its best point there, and its place."""

    model_config = REPLY

    rank: int = Field(description="1 is the nearest.")
    hit: Hit = Field(description="Its best point.")


class MovedEntity(BaseModel):
    """An entity among the nearest of both ranges, at another rank or distance."""

    model_config = REPLY

    entity_id: str = Field(description="Its id.")
    before: RankedHit = Field(description="Where it was.")
    after: RankedHit = Field(description="Where it is.")
    rank_delta: int = Field(description="Rank after less rank before; negative: it came nearer.")
    distance_delta: float = Field(
        description="Distance after less distance before; negative: it came nearer."
    )


class DiffExplain(BaseModel):
    """The plans of both searches."""

    model_config = REPLY

    before: Explain = Field(description="Of the search in `before`.")
    after: Explain = Field(description="Of the search in `after`.")


class TemporalDiffReply(BaseModel):
    """How the k nearest entities of `after` differ from those of `before`."""

    model_config = REPLY

    entered: list[RankedHit] = Field(description="Only among those of `after`, nearest first.")
    left: list[RankedHit] = Field(description="Only among those of `before`, nearest first.")
    moved: list[MovedEntity] = Field(
        description="Among both, but elsewhere, in the order of `after`."
    )
    stayed: int = Field(description="Among both, at the same rank and distance.")
    exact: bool = Field(description="Whether both searches found certainly the nearest.")
    as_of_seq: int = Field(description="The last change this answer includes.")
    explain: DiffExplain | None = Field(
        default=None, exclude_if=_absent, description="With explain=true."
    )

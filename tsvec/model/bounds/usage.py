"""What a tenant holds, and how much of it may be."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from tsvec.model.collections import BytesByKind
from tsvec.model.errors import QuotaExceededError

_REPLY = ConfigDict(extra="forbid")


class Quotas(BaseModel):
    """How much one tenant may hold. 0: as much as there is room for."""

    model_config = _REPLY

    collections: int = Field(description="Collections.")
    points: int = Field(description="Points of all collections.")
    bytes: int = Field(description="Bytes on disk at which no more points are taken.")


class Usage(BaseModel):
    """What one tenant holds, counted as its quotas count it."""

    model_config = _REPLY

    tenant: str = Field(description="Whose.")
    collections: int = Field(description="Collections, damaged ones left out.")
    entities: int = Field(description="Entities with a living point, each once a collection.")
    points: int = Field(description="Living points; expired ones until they are dropped.")
    bytes: BytesByKind = Field(description="Bytes on disk of all collections.")
    requests: int = Field(
        description="Requests since the server was started; none where there is no server."
    )
    refused: int = Field(description="Those of them that were refused for a rate or for load.")
    quotas: Quotas = Field(description="How much there may be.")


def check_quota(name: str, quota: int, used: int, more: int) -> None:
    """QuotaExceededError if so much more would be beyond a quota; 0 is none."""
    if quota and used + more > quota:
        raise QuotaExceededError(
            f"{used} and {more} more exceed the quota of {quota} ({name}); delete some, or ask "
            "whoever runs the database for more"
        )

"""Every dimension of a request has a limit, named here, returned by `get_info`.

An operator may change each within hard bounds. Records and decoders ask `limits()` which are in
force: those of the database that reads a request, see `in_force`; elsewhere, as for what was stored
long ago, only the hard bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from annotated_types import Le
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Limits(BaseModel):
    """The limits in force. One more than a limit is refused with a 4xx, never half done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim_max: int = Field(default=4_096, ge=1, le=1 << 16, description="Dimensions of a vector.")
    k_max: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Neighbours asked for in one query, points in one temporal_range.",
    )
    batch_rows_max: int = Field(
        default=100_000, ge=1, le=1_000_000, description="Points in one ingest request."
    )
    json_bytes_max: int = Field(
        default=8 << 20, ge=1, le=1 << 30, description="Bytes of a JSON request body."
    )
    body_bytes_max: int = Field(
        default=64 << 20,
        ge=1,
        le=1 << 30,
        description="Bytes of an NDJSON or Arrow request body, after inflation.",
    )
    queries_max: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Queries in one temporal_knn_batch, moments in one temporal_knn_walk.",
    )
    batch_hits_max: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="The sum of `k` over the queries of one temporal_knn_batch or the moments of "
        "one temporal_knn_walk.",
    )
    reply_bytes_max: int = Field(
        default=128 << 20,
        ge=1,
        le=1 << 30,
        description="Bytes of metadata, as compact JSON, and of vectors, 8 a number, in one reply.",
    )
    selector_items_max: int = Field(
        default=1_000, ge=1, le=100_000, description="Names in `entity_ids` or `entity_types`."
    )
    selector_points_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Points named in one delete or restore."
    )
    delete_rows_max: int = Field(
        default=1_000_000,
        ge=1,
        le=100_000_000,
        description="Points that one delete or restore may touch.",
    )
    filter_depth_max: int = Field(
        default=16,
        ge=1,
        le=16,
        description="Nesting of `$and`, `$or`, `$not` and `$attributes` in a filter.",
    )
    filter_terms_max: int = Field(
        default=1_000,
        ge=1,
        le=1_000,
        description="Paths, operators and values of lists in a filter.",
    )
    filter_bytes_max: int = Field(
        default=256 << 10,
        ge=1,
        le=16 << 20,
        description="UTF-8 bytes of the paths and texts in a filter.",
    )
    page_items_max: int = Field(
        default=1_000, ge=1, le=100_000, description="Items on one page of a list."
    )
    entity_id_bytes_max: int = Field(
        default=256, ge=1, le=1_024, description="UTF-8 bytes of an entity id."
    )
    key_bytes_max: int = Field(
        default=256, ge=1, le=1_024, description="UTF-8 bytes of a point's key."
    )
    entity_type_bytes_max: int = Field(
        default=64, ge=1, le=1_024, description="UTF-8 bytes of an entity type."
    )
    metadata_bytes_max: int = Field(
        default=64 << 10,
        ge=1,
        le=16 << 20,
        description="Bytes of one point's metadata, as compact JSON.",
    )
    metadata_depth_max: int = Field(
        default=32,
        ge=1,
        le=32,
        description="Nesting of a point's metadata or an entity's attributes.",
    )
    attributes_bytes_max: int = Field(
        default=64 << 10,
        ge=1,
        le=16 << 20,
        description="Bytes of one entity's attributes, as compact JSON.",
    )
    space_bytes_max: int = Field(
        default=128, ge=1, le=1_024, description="UTF-8 bytes of the name of an embedding model."
    )
    collections_max: int = Field(
        default=1_000, ge=1, le=100_000, description="Collections of one tenant."
    )
    tenants_max: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Tenants of one database that have a collection or a key.",
    )
    keys_max: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="API keys of one tenant. Beyond it, those that were revoked or expired longest "
        "ago are forgotten.",
    )
    deadline_seconds: int = Field(
        default=30, ge=1, le=3_600, description="Seconds a client may take to send one request."
    )
    wait_seconds_max: int = Field(
        default=30,
        ge=1,
        le=3_600,
        description="Seconds a read waits for the change named in `wait_for_seq`.",
    )

    @classmethod
    def widest(cls) -> Limits:
        """Every limit at its hard bound."""
        bounds = {
            name: one.le
            for name, field in cls.model_fields.items()
            for one in field.metadata
            if isinstance(one, Le)
        }
        return cls.model_validate(bounds)


LIMITS = Limits()
"""The defaults."""

WIDEST = Limits.widest()
"""The hard bounds, within which an operator may choose."""

_IN_FORCE: ContextVar[Limits] = ContextVar("tsvec_limits", default=WIDEST)


def limits() -> Limits:
    """The limits in force."""
    return _IN_FORCE.get()


@contextmanager
def in_force(chosen: Limits) -> Iterator[None]:
    """Hold what is read inside the block, by this thread or task, to these limits."""
    before = _IN_FORCE.set(chosen)
    try:
        yield
    finally:
        _IN_FORCE.reset(before)


@dataclass(frozen=True, slots=True)
class AtMost:
    """Says of a field that its number, or the length of its list, is at most a limit.

    Its JSON schema names the default of the limit.
    """

    limit: str
    is_list: bool = False

    def check(self, value: Any) -> Any:
        """The value; a ValueError names the limit if it is beyond it."""
        most, size = getattr(limits(), self.limit), len(value) if self.is_list else value
        if size > most:
            what = "items" if self.is_list else "allowed"
            raise ValueError(f"at most {most} {what}, not {size} ({self.limit})")
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        name = "maxItems" if self.is_list else "maximum"
        return handler(schema) | {name: getattr(LIMITS, self.limit)}

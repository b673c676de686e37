"""Every dimension of a request has a limit, named here, returned by `get_info`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """The limits in force. One more than a limit is refused with a 4xx, never half done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim_max: int = Field(default=4_096, description="Dimensions of a vector.")
    k_max: int = Field(
        default=10_000,
        description="Neighbours asked for in one query, points in one temporal_range.",
    )
    batch_rows_max: int = Field(default=100_000, description="Points in one ingest request.")
    json_bytes_max: int = Field(default=8 << 20, description="Bytes of a JSON request body.")
    body_bytes_max: int = Field(
        default=64 << 20, description="Bytes of an NDJSON or Arrow request body, after inflation."
    )
    queries_max: int = Field(
        default=1_000,
        description="Queries in one temporal_knn_batch, moments in one temporal_knn_walk.",
    )
    batch_hits_max: int = Field(
        default=100_000,
        description="The sum of `k` over the queries of one temporal_knn_batch or the moments of "
        "one temporal_knn_walk.",
    )
    selector_items_max: int = Field(
        default=1_000, description="Names in `entity_ids` or `entity_types`."
    )
    selector_points_max: int = Field(
        default=10_000, description="Points named in one delete or restore."
    )
    delete_rows_max: int = Field(
        default=1_000_000, description="Points that one delete or restore may touch."
    )
    filter_depth_max: int = Field(
        default=16, description="Nesting of `$and`, `$or`, `$not` and `$attributes` in a filter."
    )
    filter_terms_max: int = Field(
        default=1_000, description="Paths, operators and values of lists in a filter."
    )
    filter_bytes_max: int = Field(
        default=256 << 10, description="UTF-8 bytes of the paths and texts in a filter."
    )
    page_items_max: int = Field(default=1_000, description="Items on one page of a list.")
    entity_id_bytes_max: int = Field(default=256, description="UTF-8 bytes of an entity id.")
    key_bytes_max: int = Field(default=256, description="UTF-8 bytes of a point's key.")
    entity_type_bytes_max: int = Field(default=64, description="UTF-8 bytes of an entity type.")
    metadata_bytes_max: int = Field(
        default=64 << 10, description="Bytes of one point's metadata, as compact JSON."
    )
    metadata_depth_max: int = Field(
        default=32, description="Nesting of a point's metadata or an entity's attributes."
    )
    attributes_bytes_max: int = Field(
        default=64 << 10, description="Bytes of one entity's attributes, as compact JSON."
    )
    space_bytes_max: int = Field(
        default=128, description="UTF-8 bytes of the name of an embedding model."
    )
    collections_max: int = Field(default=1_000, description="Collections of one tenant.")
    deadline_seconds: int = Field(
        default=30, description="Seconds a client may take to send one request."
    )
    wait_seconds_max: int = Field(
        default=30, description="Seconds a read waits for the change named in `wait_for_seq`."
    )


LIMITS = Limits()

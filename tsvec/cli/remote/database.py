"""A server as commands see it: the methods of `Database`, over HTTP."""

from __future__ import annotations

from typing import Any

from tsvec.cli.remote.collection import RemoteCollection
from tsvec.cli.remote.connection import Connection, path_to
from tsvec.cli.remote.keys import RemoteAdmin
from tsvec.model.bounds.usage import Usage
from tsvec.model.collections import (
    CollectionConfig,
    CollectionInfo,
    CollectionList,
    CollectionPatch,
    Metric,
)
from tsvec.model.replies import Health, Info, Readiness
from tsvec.model.validation import record_of


class RemoteDatabase(Connection):
    """A database behind a URL."""

    @property
    def admin(self) -> RemoteAdmin:
        """The keys of the caller's tenant."""
        return RemoteAdmin(self)

    def get_info(self) -> Info:
        """Version, limits and capabilities of the server."""
        return self.call(Info, "GET", "/v1/info")

    def get_health(self) -> Health:
        """Whether the server's storage is sound."""
        return self.call(Health, "GET", "/health")

    def get_ready(self) -> Readiness:
        """Whether the server can answer; UnavailableError if not yet."""
        return self.call(Readiness, "GET", "/ready")

    def get_metrics(self) -> str:
        """Measurements in the Prometheus text format."""
        return self.send("GET", "/metrics").text

    def get_usage(self) -> Usage:
        """What the tenant holds, and its quotas."""
        return self.call(Usage, "GET", "/v1/usage")

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections, by name."""
        page = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        return self.call(CollectionList, "GET", "/v1/collections", params=page)

    def get_collection(self, name: str) -> CollectionInfo:
        """One collection; CollectionNotFoundError if there is none of this name."""
        return self.call(CollectionInfo, "GET", path_to(name))

    def create_collection(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric = "cosine",
        idempotency_key: str | None = None,
        **durations: Any,
    ) -> CollectionInfo:
        """Make a collection; ConflictError if there is one of this name."""
        fields = {"name": name, "dim": dim, "metric": metric, **durations}
        config, path = record_of(CollectionConfig, fields), "/v1/collections"
        return self.call(CollectionInfo, "POST", path, record=config, key=idempotency_key)

    def update_collection(
        self, name: str, *, idempotency_key: str | None = None, **changes: Any
    ) -> CollectionInfo:
        """Change the fields of `CollectionPatch` that are given, to None where that is allowed."""
        # A null is a change, so it has to be sent.
        body = record_of(CollectionPatch, changes).model_dump_json(include=set(changes)).encode()
        return self.call(CollectionInfo, "PATCH", path_to(name), body=body, key=idempotency_key)

    def delete_collection(self, name: str, *, idempotency_key: str | None = None) -> None:
        """Remove a collection and all its points."""
        self.send("DELETE", path_to(name), key=idempotency_key)

    def collection(self, name: str = "default") -> RemoteCollection:
        """A handle of a collection; nothing is checked yet."""
        return RemoteCollection(self, name)

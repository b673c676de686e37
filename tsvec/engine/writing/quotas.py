"""What a tenant holds, and whether it may hold more.

Only the thread that writes changes how many points there are, so what it counts when a group begins
holds until the group is applied: quotas of points are exact, whoever else writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

from tsvec.engine.store import CollectionStore
from tsvec.model.bounds.usage import Quotas, Usage, check_quota
from tsvec.model.collections import BytesByKind
from tsvec.model.settings import Settings


class Room:
    """What the collections of one tenant may grow by, as a group finds them."""

    def __init__(self, settings: Settings, stores: Callable[[], Sequence[CollectionStore]]) -> None:
        self._settings = settings
        self._stores = stores

    def check(self, points: int) -> None:
        """QuotaExceededError unless there may be so many more points."""
        settings = self._settings
        if points > 0 and settings.quota_points:
            check_quota("quota_points", settings.quota_points, self._points, points)
        if points > 0 and settings.quota_bytes:
            check_quota("quota_bytes", settings.quota_bytes, self._bytes, 1)

    @cached_property
    def _points(self) -> int:
        return sum(store.registry.points for store in self._stores())

    @cached_property
    def _bytes(self) -> int:
        return sum(sum(bytes_by_kind(store).values()) for store in self._stores())


def usage_of(tenant: str, stores: Sequence[CollectionStore], settings: Settings) -> Usage:
    """What a tenant with these collections holds."""
    total: Counter[str] = Counter()
    for store in stores:
        total.update(bytes_by_kind(store))
    return Usage(
        tenant=tenant,
        collections=len(stores),
        entities=sum(store.registry.count_living() for store in stores),
        points=sum(store.registry.points for store in stores),
        bytes=BytesByKind(**{name: total[name] for name in BytesByKind.model_fields}),
        requests=0,
        refused=0,
        quotas=Quotas(
            collections=settings.quota_collections,
            points=settings.quota_points,
            bytes=settings.quota_bytes,
        ),
    )


def bytes_by_kind(store: CollectionStore) -> dict[str, int]:
    """The fields of `BytesByKind` for one collection."""
    manifest = store.manifest
    overlays = (entry.overlay for entry in manifest.partitions)
    return {
        "log": store.log.bytes_on_disk(),
        "partitions": sum(entry.points.size for entry in manifest.partitions),
        "columns": sum(entry.columns.size for entry in manifest.partitions),
        "overlays": sum(overlay.size for overlay in overlays if overlay is not None),
        "state": manifest.state.size if manifest.state else 0,
    }

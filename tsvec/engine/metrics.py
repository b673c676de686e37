"""Measurements in the Prometheus text format, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class CollectionReading:
    """The measurements of one collection."""

    tenant: str
    name: str
    points_hot: int
    points_sealed: int
    partitions: int
    entities: int
    seq: int
    log_bytes: int
    log_syncs: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All measurements at one moment."""

    collections: tuple[CollectionReading, ...]
    seals: int
    healthy: bool


_LABELS = ("tenant", "collection")
_GAUGES = {
    "points_hot": "Points not yet sealed.",
    "points_sealed": "Points in partitions.",
    "partitions": "Live partitions.",
    "entities": "Entities with a living point.",
    "seq": "Number of the last change.",
    "log_bytes": "Bytes of the log on disk, preallocated space included.",
}


class _EngineCollector(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        reading = self._read()
        yield GaugeMetricFamily("tsvec_healthy", "1 if the database is sound.", reading.healthy)
        yield CounterMetricFamily("tsvec_seals", "Partitions written since start.", reading.seals)
        syncs = CounterMetricFamily(
            "tsvec_log_syncs", "fdatasync calls of the log since start.", labels=_LABELS
        )
        for collection in reading.collections:
            syncs.add_metric([collection.tenant, collection.name], collection.log_syncs)
        yield syncs
        for field, text in _GAUGES.items():
            gauge = GaugeMetricFamily(f"tsvec_{field}", text, labels=_LABELS)
            for collection in reading.collections:
                gauge.add_metric([collection.tenant, collection.name], getattr(collection, field))
            yield gauge


def render_metrics(read: Callable[[], Reading]) -> str:
    """The Prometheus text of what `read` finds now."""
    registry = CollectorRegistry()
    registry.register(_EngineCollector(read))
    return generate_latest(registry).decode()

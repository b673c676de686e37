"""The Prometheus text holds what is there, labelled by collection."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.unit.engine.rig import batch_of, settle, wait_until
from tsvec.engine.metrics import CollectionReading, Reading, render_metrics


def samples(text):
    return {
        (sample.name, sample.labels.get("collection")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_measurement_is_rendered():
    readings = (
        CollectionReading("default", "a", 1, 2, 3, 4, 5, 6, 7),
        CollectionReading("acme", 'odd"name', 8, 9, 10, 11, 12, 13, 14),
    )
    found = samples(render_metrics(lambda: Reading(readings, seals=21, healthy=False)))
    names = ("points_hot", "points_sealed", "partitions", "entities", "seq", "log_bytes")
    for reading in readings:
        for name in names:
            assert found[f"tsvec_{name}", reading.name] == getattr(reading, name)
        assert found["tsvec_log_syncs_total", reading.name] == reading.log_syncs
    assert found["tsvec_seals_total", None] == 21
    text = render_metrics(lambda: Reading(readings, seals=21, healthy=False))
    assert 'tsvec_seq{collection="a",tenant="default"} 5.0' in text
    assert found["tsvec_healthy", None] == 0


def test_a_database_is_measured_when_asked(opened):
    database = opened(seal_rows=16)
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(20))
    settle(database)
    wait_until(lambda: samples(database.get_metrics())["tsvec_seals_total", None] == 1)
    found = samples(database.get_metrics())
    assert found["tsvec_points_hot", "c"] == 4
    assert found["tsvec_points_sealed", "c"] == 16
    assert found["tsvec_partitions", "c"] == 1
    assert found["tsvec_entities", "c"] == 5
    assert found["tsvec_seq", "c"] == 20
    assert found["tsvec_log_bytes", "c"] >= 1 << 20
    assert found["tsvec_log_syncs_total", "c"] >= 1
    assert found["tsvec_healthy", None] == 1

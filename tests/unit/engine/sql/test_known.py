"""The log behind the manifest tells of deaths, hot points, types and attributes."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import batch_of, store_of
from tsvec.engine.sql.known import read_known
from tsvec.model.errors import CorruptError
from tsvec.storage.log.tail import read_tail
from tsvec.window.entities import EntityRegistry


def known_of(database):
    store = store_of(database)
    manifest = store.manifest
    frames = read_tail(store.paths.log, manifest.log.position)
    return read_known(manifest, EntityRegistry(), frames)


def test_hot_points_are_counted_as_of_a_change_and_from_a_cutoff(database):
    collection = database.collection("c")
    collection.ingest(batch_of(10))
    collection.delete_points(entity_ids=["e1"])
    collection.ingest(batch_of(3))
    collection.ingest(batch_of(1, entity_id="e9"))
    known = known_of(database)
    assert known.last_seq == 14
    counts = {seq: known.count_hot(seq, 0) for seq in (4, 10, 11, 12, 13, 14)}
    assert counts == {4: 4, 10: 10, 11: 9, 12: 8, 13: 9, 14: 10}
    assert known.count_hot(14, 8_000_000) == 2


def test_deaths_name_their_cause(database):
    collection = database.collection("c")
    collection.ingest(batch_of(2))
    collection.ingest(batch_of(1, metadata=b'{"a":2}'))
    collection.delete_points(entity_ids=["e1"])
    deaths = known_of(database).deaths_table().to_pylist()
    assert [(row["victim"], row["dead_seq"], row["dead_by"]) for row in deaths] == [
        (1, 3, "replaced"),
        (2, 4, "deleted"),
    ]


def test_types_and_attributes_are_those_of_the_moment(database):
    collection = database.collection("c")
    collection.ingest(batch_of(1, entity_id="a"))
    collection.entities.set_entity_attributes("a", {"flag": "NL"})
    collection.ingest(batch_of(1, first=1, entity_id="a", entity_type="SHIP"))
    collection.entities.delete_entity("a")
    known = known_of(database)
    told = {
        seq: tuple(known.entities_table(seq).to_pylist()[0].values())
        for seq in range(1, known.last_seq + 1)
    }
    assert told[1] == ("a", "GENERIC", "{}")
    assert told[2] == ("a", "GENERIC", '{"flag":"NL"}')
    assert told[3] == ("a", "SHIP", '{"flag":"NL"}')
    assert told[known.last_seq] == ("a", "GENERIC", "{}")


def test_a_log_that_changes_an_unknown_entity_is_damaged(database):
    collection = database.collection("c")
    collection.ingest(batch_of(1, entity_id="a"))
    place = store_of(database).log.end
    collection.entities.set_entity_attributes("a", {"flag": "NL"})
    store = store_of(database)
    with pytest.raises(CorruptError, match="changes entity 'a', which nothing made"):
        read_known(store.manifest, EntityRegistry(), read_tail(store.paths.log, place))

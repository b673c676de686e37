"""A handle: a name, whose collection may come, go and come back as another."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import batch_of
from tsvec.engine.facade.handle import Handle
from tsvec.model.errors import CollectionNotFoundError


def test_a_handle_follows_its_name(database):
    collection = database.collection("later")
    assert isinstance(collection, Handle)
    assert (collection.name, collection.dim) == ("later", None)
    with pytest.raises(CollectionNotFoundError):
        collection.temporal_knn([1.0])
    database.create_collection("later", dim=3)
    assert collection.dim == 3
    database.delete_collection("later")
    assert collection.dim is None
    database.create_collection("later", dim=2, metric="l2")
    assert collection.ingest(batch_of(1)).seq == 1


def test_all_handles_of_a_name_are_one_collection(database):
    one, other = database.collection("c"), database.collection("c")
    one.ingest(batch_of(3))
    assert other.get_collection_stats().points == 3

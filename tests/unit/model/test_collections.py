"""Collections: their names and what they are made of."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.collections import CollectionConfig, CollectionPatch, check_collection_name


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "0", "x" * 128, "a..b"])
def test_names(name):
    assert check_collection_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "_a", ".a", "a/b", "a\n", "a b", "é", "x" * 129, "a\0"]
)
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="a collection name is"):
        check_collection_name(name)


def test_a_config_has_defaults_in_microseconds():
    config = CollectionConfig(name="a", dim=3)
    assert (config.metric, config.window_us) == ("cosine", 3_600_000_000)


@pytest.mark.parametrize("dim", [0, 4_097, True, "3", 3.0])
def test_what_is_no_dimension(dim):
    with pytest.raises(ValidationError):
        CollectionConfig(name="a", dim=dim)


def test_a_patch_changes_something():
    with pytest.raises(ValidationError):
        CollectionPatch()

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
    assert (config.lateness_us, config.retention_us) == (3_600_000_000, None)
    assert config.horizon_us == 7 * 86_400_000_000


def test_lateness_follows_the_window_unless_it_is_given():
    config = CollectionConfig(name="a", dim=3, window_size="1d")
    assert config.lateness_us == config.window_us
    config = CollectionConfig(name="a", dim=3, allowed_lateness="5s", retention="2h")
    assert (config.lateness_us, config.retention_us) == (5_000_000, 7_200_000_000)


@pytest.mark.parametrize("dim", [0, 4_097, True, "3", 3.0])
def test_what_is_no_dimension(dim):
    with pytest.raises(ValidationError):
        CollectionConfig(name="a", dim=dim)


def test_a_patch_changes_something():
    with pytest.raises(ValidationError, match="at least one of window_size"):
        CollectionPatch()


@pytest.mark.parametrize("name", ["allowed_lateness", "retention"])
def test_a_null_takes_away(name):
    patch = CollectionPatch.model_validate_json(f'{{"{name}": null}}')
    assert patch.changes == {name: None}
    config = CollectionConfig(name="a", dim=3, allowed_lateness="5s", retention="2h")
    assert getattr(config.model_copy(update=patch.changes), name) is None


@pytest.mark.parametrize("name", ["window_size", "history_horizon"])
def test_what_there_always_is_cannot_be_taken_away(name):
    assert CollectionPatch(**{name: "5s"}).changes == {name: "5s"}
    with pytest.raises(ValidationError, match="leave the field out"):
        CollectionPatch(**{name: None})

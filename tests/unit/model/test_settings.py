"""Settings and their defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.settings import Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_explained_and_cannot_be_negative(name):
    assert (Settings.model_fields[name].description or "").endswith(".")
    with pytest.raises(ValidationError):
        Settings(**{name: -1})


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError):
        Settings(seal_columns=1)

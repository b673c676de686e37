"""The family of errors."""

from __future__ import annotations

import pytest

from tsvec.model import errors
from tsvec.model.errors import ErrorDetail, TsvecError, did_you_mean, error_classes


def test_codes_are_unique_and_ordered():
    codes = [cls.code for cls in error_classes()]
    assert len(set(codes)) == len(codes)
    assert [cls.status for cls in error_classes()] == sorted(cls.status for cls in error_classes())


def test_every_error_is_listed_and_drawn():
    named = {name for name in vars(errors) if name.endswith("Error")} - {"TsvecError"}
    assert {cls.__name__ for cls in error_classes()} == named
    assert [name for name in named if name not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("cls", error_classes())
def test_an_error_has_a_status_that_fits(cls):
    assert 400 <= cls.status < 600
    assert cls.retryable == (cls.status in {408, 429, 503, 507})


def test_an_error_carries_its_details():
    detail = ErrorDetail(field="k", message="too large")
    error = TsvecError("no", [detail])
    assert (str(error), error.message, error.details) == ("no", "no", (detail,))
    assert detail.model_dump() == {"field": "k", "message": "too large"}


def test_the_nearest_word_is_suggested_if_one_is_near():
    assert did_you_mean("shps", ["ships", "chips", "buoys"]) == "; did you mean 'ships'?"
    assert did_you_mean("zebra", ["ships", "chips"]) == ""
    assert did_you_mean(7, ["ships"]) == ""
    assert did_you_mean("a" * 200, ["a" * 200]) == ""

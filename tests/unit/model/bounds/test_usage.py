"""Quotas."""

from __future__ import annotations

import pytest

from tsvec.model.bounds.usage import check_quota
from tsvec.model.errors import QuotaExceededError


def test_up_to_the_quota_and_no_further():
    check_quota("quota_points", 10, 9, 1)
    with pytest.raises(QuotaExceededError, match=r"9 and 2 more .* 10 \(quota_points\)") as caught:
        check_quota("quota_points", 10, 9, 2)
    assert (caught.value.status, caught.value.retryable) == (403, False)


def test_none_is_no_quota():
    check_quota("quota_points", 0, 10**12, 10**12)

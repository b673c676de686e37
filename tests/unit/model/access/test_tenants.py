"""What a tenant may be called."""

from __future__ import annotations

import pytest

from tsvec.model.access.tenants import check_tenant_name


@pytest.mark.parametrize("name", ["a", "0", "default", "a_b-c", "a" * 63])
def test_a_good_name_is_taken_as_it_is(name):
    assert check_tenant_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", "_a", "a.b", "..", "a/b", "a\n", "é", "a" * 64])
def test_a_name_that_could_be_anything_else_is_refused(name):
    with pytest.raises(ValueError, match="a tenant name is 1 to 63"):
        check_tenant_name(name)

"""What a caller may do."""

from __future__ import annotations

import pytest

from tsvec.model.access.caller import Caller
from tsvec.model.errors import ForbiddenError


def test_no_scope_implies_another():
    for scope in ("read", "write", "admin"):
        caller = Caller("acme", "key_1", frozenset({scope}))
        for other in {"read", "write", "admin"} - {scope}:
            with pytest.raises(ForbiddenError, match=f"the scope '{other}'; the one given has"):
                caller.check_scope(other)
        caller.check_scope(scope)
        caller.check_scope(None)


def test_only_who_reaches_all_may_do_what_concerns_the_tenant():
    Caller().check_unconfined()
    with pytest.raises(ForbiddenError, match="confined"):
        Caller(collections=frozenset({"c"})).check_unconfined()

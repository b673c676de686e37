"""The keys of a tenant, through the facade."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import NOON, SECOND
from tsvec.model.errors import InvalidRequestError, NotFoundError
from tsvec.model.times import time_to_datetime


def test_make_list_revoke(opened, clock):
    database = opened(clock=clock)
    admin = database.tenant("acme").admin
    made = admin.create_key("laptop", scopes=["admin"], expires_at=time_to_datetime(NOON + SECOND))
    assert (made.name, made.tenant, made.scopes) == ("laptop", "acme", ["admin"])
    assert made.expires_at == time_to_datetime(NOON + SECOND)
    assert [key.id for key in admin.list_keys().items] == [made.id]
    assert admin.revoke_key(made.id).revoked_at == time_to_datetime(NOON)
    assert database.admin.list_keys().items == []
    with pytest.raises(NotFoundError):
        database.admin.revoke_key(made.id)


def test_what_is_wrong_is_named(opened):
    admin = opened().admin
    for wrong in ({"scopes": []}, {"scopes": ["root"]}, {"collections": ["a b"]}):
        with pytest.raises(InvalidRequestError):
            admin.create_key("laptop", **wrong)
    with pytest.raises(InvalidRequestError, match="limit"):
        admin.list_keys(limit=0)
    assert admin.list_keys().items == []

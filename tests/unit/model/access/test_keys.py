"""What may be asked of a new key."""

from __future__ import annotations

import pytest

from tsvec.model.access.keys import CreatedKey, KeyRequest
from tsvec.model.errors import InvalidRequestError
from tsvec.model.validation import record_of


def test_a_name_is_enough():
    request = KeyRequest(name="laptop")
    assert request.scopes == ["read", "write"]
    assert (request.expires_at, request.collections) == (None, None)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 129}, "name"),
        ({"name": "clears\x1b[2Jthe screen"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": ["read"] * 4}, "scopes"),
        ({"expires_at": "2030-01-01"}, "expires_at"),
        ({"collections": []}, "collections"),
        ({"collections": ["../x"]}, "collections[0]"),
        ({"collections": ["c"] * 1_001}, "collections"),
        ({"tenant": "rival"}, "tenant"),
    ],
)
def test_what_is_wrong_is_named(fields, place):
    with pytest.raises(InvalidRequestError) as caught:
        record_of(KeyRequest, {"name": "laptop"} | fields)
    assert [detail.field for detail in caught.value.details] == [place]


def test_a_secret_is_not_shown_by_accident():
    assert "secret" not in repr(CreatedKey.model_fields["secret"].default)
    assert CreatedKey.model_fields["secret"].repr is False

"""What headers say about who sends a request."""

from __future__ import annotations

import pytest

from tsvec.model.errors import InvalidRequestError, UnauthorizedError
from tsvec.server.access.credentials import address_of, secret_of, tenant_of


def scope(*headers: tuple[str, str], client: tuple[str, int] | None = None):
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"headers": pairs, "client": client}


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer tsk_1")],
        [("authorization", "bearer  tsk_1 ")],
        [("x-api-key", "tsk_1")],
        [("x-api-key", "tsk_1"), ("x-api-key", "tsk_1")],
        [("x-api-key", "tsk_1"), ("authorization", "BEARER tsk_1")],
    ],
)
def test_both_forms_say_the_same(headers):
    assert secret_of(scope(*headers)) == "tsk_1"


def test_no_key_is_none():
    assert secret_of(scope()) is None


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", "tsk_1"), ("x-api-key", "tsk_2")],
        [("x-api-key", "tsk_1"), ("authorization", "Bearer tsk_2")],
        [("x-api-key", "tsk_1"), ("authorization", "Basic dXNlcg==")],
        [("authorization", "Bearer tsk_1"), ("authorization", "Bearer tsk_2")],
    ],
)
def test_two_different_keys_are_refused(headers):
    with pytest.raises(InvalidRequestError, match="two different keys"):
        secret_of(scope(*headers))


@pytest.mark.parametrize("value", ["Basic dXNlcg==", "tsk_1", "Digest x", ""])
def test_another_way_to_authenticate_is_told_what_is_expected(value):
    with pytest.raises(UnauthorizedError, match="Authorization: Bearer <key>"):
        secret_of(scope(("authorization", value)))


def test_a_tenant_may_be_named():
    assert tenant_of(scope()) is None
    assert tenant_of(scope(("x-tenant-id", "acme"), ("x-tenant-id", "acme"))) == "acme"
    for wrong in (["acme", "rival"], [""], ["Acme"], ["../acme"]):
        with pytest.raises(InvalidRequestError) as caught:
            tenant_of(scope(*(("x-tenant-id", name) for name in wrong)))
        assert [detail.field for detail in caught.value.details] == ["X-Tenant-Id"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "::ffff:c000:207"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("localhost", "localhost"),
    ],
)
def test_clients_are_told_apart_by_what_they_are_given(host, address):
    assert address_of(scope(client=(host, 1))) == address


def test_a_client_without_an_address_has_none():
    assert address_of(scope()) == ""

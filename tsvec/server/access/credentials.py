"""What the headers of a request say about who sends it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from tsvec.model.access.tenants import check_tenant_name
from tsvec.model.errors import InvalidRequestError, UnauthorizedError
from tsvec.model.validation import detail_at, refusal

HOW = "send it as `Authorization: Bearer <key>` or as `X-Api-Key: <key>`"
_BEARER = "bearer"


def secret_of(scope: Scope) -> str | None:
    """The key that comes with a request, None if none does.

    InvalidRequestError for two different ones, UnauthorizedError for another way to authenticate.
    """
    keys = {value.strip() for value in _values(scope, b"x-api-key")}
    others = []
    for value in _values(scope, b"authorization"):
        scheme, _, key = value.strip().partition(" ")
        if scheme.lower() == _BEARER:
            keys.add(key.strip())
        else:
            others.append(scheme)
    if len(keys) + len(others) > 1:
        raise InvalidRequestError("the request carries two different keys; send one of them")
    if others:
        raise UnauthorizedError(f"an API key is expected; {HOW}")
    return keys.pop() if keys else None


def tenant_of(scope: Scope) -> str | None:
    """The tenant that a request names, None if it names none."""
    names = set(_values(scope, b"x-tenant-id"))
    if len(names) > 1:
        raise _refused("is given more than once")
    if not names:
        return None
    try:
        return check_tenant_name(names.pop())
    except ValueError as error:
        raise _refused(str(error)) from None


def address_of(scope: Scope) -> str:
    """Where a request comes from; of IPv6 the network, which is what one client is given."""
    client = scope.get("client")
    if client is None:
        return ""
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.exploded[:19]
    return str(address)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [str(value, "latin-1") for found, value in scope["headers"] if found == name]


def _refused(message: str) -> InvalidRequestError:
    return refusal([detail_at(("X-Tenant-Id",), message)])

"""The keys of a server's tenant, as commands see them."""

from __future__ import annotations

from urllib.parse import quote

from tsvec.cli.remote.connection import Connection
from tsvec.model.access.keys import CreatedKey, Key, KeyList, KeyRequest

_KEYS = "/v1/keys"


class RemoteAdmin:
    """The keys behind a URL."""

    def __init__(self, server: Connection) -> None:
        self._server = server

    def create(self, request: KeyRequest, idempotency_key: str | None = None) -> CreatedKey:
        """Make a key."""
        return self._server.call(CreatedKey, "POST", _KEYS, record=request, key=idempotency_key)

    def list_keys(self, *, limit: int = 100, cursor: str | None = None) -> KeyList:
        """One page of keys."""
        page = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        return self._server.call(KeyList, "GET", _KEYS, params=page)

    def revoke_key(self, key_id: str) -> Key:
        """Have a key refused from now on."""
        return self._server.call(Key, "DELETE", f"{_KEYS}/{quote(key_id, safe='')}")

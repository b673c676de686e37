"""The facade of a tenant's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tsvec.engine.access.keyring import KeyRing
from tsvec.engine.retries.fingerprints import parts_of_records
from tsvec.model.access.keys import DEFAULT_SCOPES, CreatedKey, Key, KeyList, KeyRequest, Scope
from tsvec.model.retries.once import IdempotencyKey, once_given
from tsvec.model.validation import check_page_limit, given_record


class Admin:
    """Makes, lists and revokes the API keys of one tenant."""

    def __init__(self, keys: KeyRing, tenant: str) -> None:
        self._keys = keys
        self.tenant = tenant

    def create_key(
        self,
        name: str,
        *,
        scopes: Sequence[Scope] = DEFAULT_SCOPES,
        expires_at: Any = None,
        collections: Sequence[str] | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> CreatedKey:
        """Make a key; its secret is in the reply and nowhere else.

        As soon as a database has a key, a server of it takes no request without one. With the same
        `idempotency_key` it is made once: ConflictError, since its secret is not shown twice.
        """
        names = None if collections is None else list(collections)
        request = given_record(
            KeyRequest,
            name=name,
            scopes=list(scopes),
            expires_at=expires_at,
            collections=names,
        )
        return self.create(request, idempotency_key)

    def create(self, request: KeyRequest, idempotency_key: IdempotencyKey = None) -> CreatedKey:
        """`create_key` for a request record."""
        once = once_given(idempotency_key, parts_of_records("create_key", request))
        return self._keys.create(self.tenant, request, once)

    def list_keys(self, *, limit: int = 100, cursor: str | None = None) -> KeyList:
        """One page of keys, the oldest first; `cursor` is the id of the last one before."""
        check_page_limit(limit)
        return self._keys.page(self.tenant, limit, cursor)

    def revoke_key(self, key_id: str) -> Key:
        """Have a key refused from now on, for good; NotFoundError if there is none of this id."""
        return self._keys.revoke(self.tenant, key_id)

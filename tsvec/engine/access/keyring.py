"""The keys of a database: found by their secrets, made, listed, revoked."""

from __future__ import annotations

import hashlib
import hmac
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

from tsvec.engine.access.tenants import Tenants
from tsvec.engine.clock import Clock
from tsvec.engine.retries.ledger import check_same
from tsvec.model.access.caller import Caller
from tsvec.model.access.keys import SECRET_PREFIX, CreatedKey, Key, KeyList, KeyRequest
from tsvec.model.errors import (
    ConflictError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from tsvec.model.limits import LIMITS
from tsvec.model.retries.once import Once
from tsvec.model.times import time_to_datetime
from tsvec.model.validation import invalid_field
from tsvec.storage.access.key_file import KeyEntry, KeyFile
from tsvec.storage.files import SyncFailedError, translated
from tsvec.storage.layout import RootDirectory

_SECRET_BYTES = 32
_ID_BYTES = 8


class KeyRing:
    """Every key, in memory and in `keys.json`. Safe to use from many threads.

    A secret is 256 random bits, so its SHA-256 is as hard to guess as the secret, and can be looked
    up at once. Requests read `_entries` and `_callers` without a lock: a change replaces them.
    """

    def __init__(
        self,
        root: RootDirectory,
        clock: Clock,
        tenants: Tenants,
        entries: Iterable[KeyEntry] = (),
        keys_max: int = LIMITS.keys_max,
    ) -> None:
        self._root = root
        self._clock = clock
        self._tenants = tenants
        self._keys_max = keys_max
        self._lock = threading.Lock()
        self._now = 0
        self._is_behind = False
        self._last_used: dict[str, int] = {}
        self._show({entry.id: entry for entry in entries})
        tenants.sources.append(lambda: {entry.tenant for entry in self._entries.values()})

    @classmethod
    def open(
        cls, root: RootDirectory, clock: Clock, tenants: Tenants, keys_max: int = LIMITS.keys_max
    ) -> Self:
        """The keys of a directory; CorruptError if their file is damaged."""
        root.files.remove(root.keys.with_suffix(".tmp"))
        return cls(root, clock, tenants, KeyFile.read(root.keys).keys, keys_max)

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made."""
        return not self._entries

    @property
    def has_usable(self) -> bool:
        """Whether there is a key that is accepted."""
        return any(self._refusal(entry) is None for entry in self._entries.values())

    def authenticate(self, secret: str) -> Caller:
        """Whose secret it is; UnauthorizedError if no key has it, or none that is good."""
        digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
        found = self._callers.get(digest)
        if found is None or not hmac.compare_digest(bytes.fromhex(found[0].sha256), digest):
            raise UnauthorizedError("there is no such key; check that it was copied whole")
        entry, caller = found
        refusal = self._refusal(entry)
        if refusal is not None:
            raise UnauthorizedError(refusal)
        self._last_used[entry.id] = self._tell_time()
        return caller

    def is_good(self, caller: Caller) -> bool:
        """Whether a caller would be accepted again: what lasts longer than a request asks this."""
        if caller.key_id is None:
            return self.is_empty
        entry = self._entries.get(caller.key_id)
        return entry is not None and self._refusal(entry) is None

    def create(self, tenant: str, request: KeyRequest, once: Once | None = None) -> CreatedKey:
        """Make a key of a tenant; it is on disk when this returns.

        ConflictError, naming the key, if the same request made one already: nobody knows its secret
        any more. IdempotencyMismatchError if another one did with that idempotency key.
        """
        secret = _secret_of(self._clock.random_bytes(_SECRET_BYTES))
        with self._lock:
            if once is not None:
                self._check_new(tenant, once)
            now = self._tell_time()
            if request.expires_at is not None and request.expires_at <= now:
                raise invalid_field("expires_at", "is not in the future")
            self._tenants.check_room(tenant)
            entry = KeyEntry(
                id=f"key_{self._clock.random_bytes(_ID_BYTES).hex()}",
                name=request.name,
                tenant=tenant,
                scopes=tuple(sorted(set(request.scopes))),
                sha256=hashlib.sha256(secret.encode()).hexdigest(),
                created_at=now,
                expires_at=request.expires_at,
                collections=request.collections and tuple(sorted(set(request.collections))),
                request=once and (once.key.hex(), once.fingerprint.hex()),
            )
            entries = {**self._with_room(tenant), entry.id: entry}
            self._save(entries)
            self._show(entries)
        return CreatedKey(**dict(self._describe(entry)), secret=secret)

    def page(self, tenant: str, limit: int, cursor: str | None) -> KeyList:
        """Keys of a tenant in the order they were made, behind the one whose id is the cursor."""
        own = [entry for entry in self._entries.values() if entry.tenant == tenant]
        begin = 0
        if cursor is not None:
            places = {entry.id: place for place, entry in enumerate(own)}
            if cursor not in places:
                raise invalid_field("cursor", "names no key; begin again without it")
            begin = places[cursor] + 1
        items = [self._describe(entry) for entry in own[begin : begin + limit]]
        more = len(own) > begin + len(items)
        return KeyList(items=items, next_cursor=items[-1].id if more else None)

    def revoke(self, tenant: str, key_id: str) -> Key:
        """Refuse a key from now on, which is on disk when this returns; again is no error."""
        with self._lock:
            entry = self._entries.get(key_id)
            if entry is None or entry.tenant != tenant:
                raise NotFoundError(f"there is no key {key_id!r}")
            if entry.revoked_at is None:
                entry = entry.model_copy(update={"revoked_at": self._tell_time()})
                # At once, whatever the disk says: who revokes a key fears that it was stolen.
                self._show({**self._entries, key_id: entry})
                self._is_behind = True
            if self._is_behind:
                self._save(self._entries)
        return self._describe(entry)

    def _check_new(self, tenant: str, once: Once) -> None:
        for entry in self._entries.values():
            if entry.tenant == tenant and entry.request and entry.request[0] == once.key.hex():
                check_same(once, Once(once.key, bytes.fromhex(entry.request[1])))
                raise ConflictError(
                    f"this request made {entry.id} before, and its secret cannot be told twice; "
                    "if it is lost, revoke that key and make another with a new Idempotency-Key"
                )

    def _with_room(self, tenant: str) -> Mapping[str, KeyEntry]:
        """The keys, without the one that ended longest ago if the tenant has as many as it may."""
        own = [entry for entry in self._entries.values() if entry.tenant == tenant]
        if len(own) < self._keys_max:
            return self._entries
        ended = [entry for entry in own if self._refusal(entry) is not None]
        if not ended:
            raise TooLargeError(f"{self._keys_max} keys exist (keys_max); revoke one")
        first = min(ended, key=lambda entry: entry.ended_at() or 0)
        return {key_id: entry for key_id, entry in self._entries.items() if key_id != first.id}

    def _refusal(self, entry: KeyEntry) -> str | None:
        """Why a key is not accepted, None if it is."""
        if entry.revoked_at is not None:
            return "this key was revoked; ask for another one"
        if entry.expires_at is not None and entry.expires_at <= self._tell_time():
            return "this key has expired; ask for another one"
        return None

    def _tell_time(self) -> int:
        """µs since 1970 UTC, never less than before: what expired stays so."""
        self._now = max(self._now, self._clock.now_us())
        return self._now

    def _show(self, entries: Mapping[str, KeyEntry]) -> None:
        self._callers = {
            bytes.fromhex(entry.sha256): (entry, _caller_of(entry)) for entry in entries.values()
        }
        self._entries = entries
        self._last_used = {
            key_id: used for key_id, used in self._last_used.items() if key_id in entries
        }

    def _save(self, entries: Mapping[str, KeyEntry]) -> None:
        if not self._root.is_held:
            raise UnavailableError("the database is closed")
        # Until this is known to be on disk, the next change writes all of it again.
        self._is_behind = True
        path = self._root.keys
        try:
            with translated(f"cannot write {path.name}, so that a restart will not know of it"):
                KeyFile(keys=tuple(entries.values())).write(self._root.files, path)
        except SyncFailedError as error:
            raise UnavailableError(
                f"nobody knows whether {path.name} is on disk, because fsync failed; do it again"
            ) from error
        self._is_behind = False

    def _describe(self, entry: KeyEntry) -> Key:
        return Key(
            id=entry.id,
            name=entry.name,
            tenant=entry.tenant,
            scopes=list(entry.scopes),
            collections=None if entry.collections is None else list(entry.collections),
            created_at=time_to_datetime(entry.created_at),
            expires_at=_datetime(entry.expires_at),
            revoked_at=_datetime(entry.revoked_at),
            last_used_at=_datetime(self._last_used.get(entry.id)),
        )


def _secret_of(random: bytes) -> str:
    return SECRET_PREFIX + urlsafe_b64encode(random).decode().rstrip("=")


def _datetime(time: int | None) -> datetime | None:
    return None if time is None else time_to_datetime(time)


def _caller_of(entry: KeyEntry) -> Caller:
    names = entry.collections
    return Caller(
        tenant=entry.tenant,
        key_id=entry.id,
        scopes=frozenset(entry.scopes),
        collections=None if names is None else frozenset(names),
    )

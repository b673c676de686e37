"""The file of API keys: who holds which, by the digest of its secret. Renaming is the commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tsvec.model.access.keys import Scope
from tsvec.model.access.tenants import TenantName
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import checked_body, checked_document
from tsvec.storage.files import Files

_VERSION: Final = 1
_MEMBER: Final = b"keys"
_MODE: Final = 0o600
_RECORD = ConfigDict(frozen=True, extra="forbid")


class KeyEntry(BaseModel):
    """One key. Times are in µs since 1970 UTC; `sha256` is that of its secret, in hexadecimal.

    `request` are the digests, likewise, of the idempotency key and of the request that made it.
    """

    model_config = _RECORD

    id: str
    name: str
    tenant: TenantName
    scopes: tuple[Scope, ...]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    created_at: int
    expires_at: int | None = None
    collections: tuple[str, ...] | None = None
    revoked_at: int | None = None
    request: tuple[str, str] | None = None

    def ended_at(self) -> int | None:
        """From when on it is refused, if ever."""
        ends = [time for time in (self.expires_at, self.revoked_at) if time is not None]
        return min(ends, default=None)


class KeyFile(BaseModel):
    """Every key of a database, in the order they were made."""

    model_config = _RECORD

    version: Literal[1] = _VERSION
    keys: tuple[KeyEntry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The keys in a file, none if it is not there; CorruptError if a byte of it changed."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls()
        body = checked_body(_MEMBER, data)
        if body is None:
            raise CorruptError(f"{path} is damaged: its checksum does not match")
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise CorruptError(f"{path} is damaged: {error}") from error

    def write(self, files: Files, path: Path) -> None:
        """Make these the keys: written beside, fsynced, renamed, directory fsynced.

        An OSError means that nothing happened; SyncFailedError that nobody knows.
        """
        body = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        scratch = path.with_suffix(".tmp")
        files.write_file(scratch, checked_document(_MEMBER, body), mode=_MODE)
        files.failpoints.hit("keys.before_rename")
        files.rename(scratch, path, failpoint="keys.after_rename")

"""The file of requests that made or deleted collections of a tenant and are not to do so twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import checked_body, checked_document
from tsvec.storage.files import Files

FILE_NAME: Final = "requests.json"

_VERSION: Final = 1
_MEMBER: Final = b"requests"
_RECORD = ConfigDict(frozen=True, extra="forbid")

Effect: TypeAlias = Literal["made", "deleted", "done"]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class RequestEntry(BaseModel):
    """A request by the digests of its idempotency key and of itself, in hexadecimal.

    It counts as carried out if it `made` a directory that is there, `deleted` one that is not, or
    is `done`. `kept_at` is in µs since 1970 UTC.
    """

    model_config = _RECORD

    key: _Digest
    fingerprint: _Digest
    kept_at: int
    effect: Effect
    directory: str
    reply: str


class RequestFile(BaseModel):
    """Such requests, the oldest first."""

    model_config = _RECORD

    version: Literal[1] = _VERSION
    requests: tuple[RequestEntry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The requests in a file, none if it is not there; CorruptError if a byte of it changed."""
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
        """Make these the requests: written beside, fsynced, renamed, directory fsynced."""
        body = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        scratch = path.with_suffix(".tmp")
        files.write_file(scratch, checked_document(_MEMBER, body))
        files.failpoints.hit("requests.before_rename")
        files.rename(scratch, path, failpoint="requests.after_rename")

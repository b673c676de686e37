"""API keys: what a new one may do, and what is told of those there are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from tsvec.model.collections import CollectionName
from tsvec.model.limits import AtMost
from tsvec.model.times import Instant
from tsvec.model.vectors import RECORD

Scope: TypeAlias = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[Scope, ...] = ("read", "write")

SECRET_PREFIX = "tsk_"  # noqa: S105 - how every secret begins, so that scanners find a lost one

_REPLY = ConfigDict(extra="forbid")
_NAME_PATTERN = r"^[^\u0000-\u001f\u007f]+$"


class KeyRequest(BaseModel):
    """What a new key may do, and for how long."""

    model_config = RECORD

    name: Annotated[
        str,
        Field(
            strict=True,
            min_length=1,
            max_length=128,
            pattern=_NAME_PATTERN,
        ),
    ] = Field(description="What it is for, to tell keys apart; 1 to 128 characters.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))] = Field(
        default=list(DEFAULT_SCOPES),
        description="What it may do; no scope implies another.",
    )
    expires_at: Instant | None = Field(
        default=None, description="From when on it is refused; null: never."
    )
    collections: (
        Annotated[
            list[CollectionName], Field(min_length=1), AtMost("selector_items_max", is_list=True)
        ]
        | None
    ) = Field(default=None, description="The only collections it reaches, made or not; null: all.")


class Key(BaseModel):
    """What is known of a key; its secret is not."""

    model_config = _REPLY

    id: str = Field(description="Names the key; not a secret.")
    name: str = Field(description="What it is for.")
    tenant: str = Field(description="Whose collections it reaches.")
    scopes: list[Scope] = Field(description="What it may do.")
    collections: list[str] | None = Field(
        description="The only collections it reaches; null: all of the tenant."
    )
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="From when on it is refused; null: never.")
    revoked_at: datetime | None = Field(description="Since when it is refused; null: it is not.")
    last_used_at: datetime | None = Field(
        description="When it was last accepted, since the database was opened; null: not yet."
    )


class CreatedKey(Key):
    """A new key with its secret, which is shown this once."""

    secret: str = Field(
        repr=False,
        description="What a client sends; only its SHA-256 is stored, so it cannot be shown again.",
    )


class KeyList(BaseModel):
    """One page of keys, the oldest first."""

    model_config = _REPLY

    items: list[Key] = Field(description="Keys of this page, revoked and expired ones included.")
    next_cursor: str | None = Field(description="Give it as `cursor` for more; null at the end.")

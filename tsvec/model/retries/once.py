"""What names a request, so that sending it again has no second effect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from tsvec.model.validation import invalid_field

KEY_LENGTH_MAX = 255
"""Characters of an idempotency key."""

DIGEST_BYTES = 16

_KEY = re.compile(rf"[\x21-\x7e]{{1,{KEY_LENGTH_MAX}}}")
_LENGTH_BYTES = 8

Bytes: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Once:
    """A request to be carried out once: digests, of 16 bytes, of its idempotency key and of all
    that it says.
    """

    key: bytes
    fingerprint: bytes


IdempotencyKey: TypeAlias = str | Once | None
"""How a method is told of a key: as text, as what a request made of it, or not at all."""


def once_given(key: IdempotencyKey, parts: Iterable[Bytes]) -> Once | None:
    """A request by the key it was given, if any; `parts` are read for a key that is a text."""
    return once_of(key, parts) if isinstance(key, str) else key


def once_of(key: str, parts: Iterable[Bytes]) -> Once:
    """A request by its idempotency key and, one after the other, the parts of what it says.

    InvalidRequestError unless the key is 1 to 255 visible ASCII characters.
    """
    if _KEY.fullmatch(key) is None:
        raise invalid_field(
            "Idempotency-Key",
            f"must be 1 to {KEY_LENGTH_MAX} visible ASCII characters, without spaces",
        )
    fingerprint = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        # With its length in front, no part can take bytes from the next and mean the same.
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        fingerprint.update(size.to_bytes(_LENGTH_BYTES, "little"))
        fingerprint.update(part)
    digest = blake2b(key.encode("ascii"), digest_size=DIGEST_BYTES).digest()
    return Once(digest, fingerprint.digest())

"""Checksums: crc32c for what is read often, sha256 for whole files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa


def crc32c(data: Any, seed: int = 0) -> int:
    """crc32c (Castagnoli) of any contiguous buffer, continuing from `seed`."""
    if not isinstance(data, bytes | pa.Buffer):
        data = pa.py_buffer(data)
    return int(google_crc32c.extend(seed, data))


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_document(member: bytes, body: bytes) -> bytes:
    """A JSON object of the sha256 of `body` and, under the name `member`, `body` itself.

    What is checked are these bytes, not what JSON makes of them.
    """
    digest = hashlib.sha256(body).hexdigest().encode()
    return b'{"sha256":"%s","%s":%s}' % (digest, member, body)


def checked_body(member: bytes, document: bytes) -> bytes | None:
    """The body of such a document; None if a byte of it changed."""
    body = document[len(checked_document(member, b"")) - 1 : -1]
    return body if document == checked_document(member, body) else None

"""Overlays: small files that say which rows of a partition died after it was written."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsvec.model.errors import CorruptError
from tsvec.model.vectors import Int64Array
from tsvec.storage.checksums import crc32c
from tsvec.storage.files import Files
from tsvec.storage.layout import STAGED_SUFFIX, CollectionPaths
from tsvec.storage.manifest import FileEntry

_MAGIC = b"TSVECOVL"
_VERSION = 1
_HEADER = struct.Struct("<8sIIQ")
_CHECKED_FROM = 16
_FIELDS = {"seq": "<u8", "at": "<i8", "row": "<u4", "by": "u1"}
"""Widest first, so that every array is aligned without padding."""
_ROW_BYTES = sum(np.dtype(dtype).itemsize for dtype in _FIELDS.values())


class DeathCause(IntEnum):
    """Why a version of a point is no longer the one that counts."""

    REPLACED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Deaths:
    """Rows of a partition that died, one element each: the row, and the change that ended it.

    `row` ascends, `at` is the change's recorded time in µs since 1970 UTC, `by` are `DeathCause`s.
    """

    row: Int64Array
    seq: NDArray[np.uint64]
    at: Int64Array
    by: NDArray[np.uint8]


def write_overlay(
    files: Files, paths: CollectionPaths, partition: str, generation: int, deaths: Deaths
) -> FileEntry:
    """A new overlay of all deaths since the partition was written; live once a manifest names it.

    Raises ValueError if the rows do not ascend or one has no seq or cause.
    """
    if (problem := _problem_of(deaths)) is not None:
        raise ValueError(f"an overlay of {partition} cannot be written: {problem}")
    path = paths.overlays / f"{partition}-{generation:08d}.bin"
    if not paths.overlays.is_dir():
        files.make_directory(paths.overlays)
    data = _encode(deaths)
    scratch = path.with_name(path.name + STAGED_SUFFIX)
    files.write_file(scratch, data)
    files.rename(scratch, path)
    files.failpoints.hit("overlay.written")
    name = path.relative_to(paths.root).as_posix()
    return FileEntry(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def read_overlay(paths: CollectionPaths, entry: FileEntry, rows: int) -> Deaths:
    """The deaths in an overlay of a partition with this many rows.

    CorruptError names the file if it is missing, another than the manifest means, or says what
    cannot be.
    """
    path = paths.root / entry.path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorruptError(f"{path} is missing; restore the directory from a backup") from None
    if len(data) != entry.size:
        raise CorruptError(
            f"{path} has {len(data)} bytes instead of {entry.size}; "
            "restore the directory from a backup"
        )
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise CorruptError(f"{path} is damaged: its sha256 does not match the manifest")
    deaths = _decode(path, data)
    if (problem := _problem_of(deaths)) is not None:
        raise CorruptError(f"{path} is damaged: {problem}")
    if len(deaths.row) and deaths.row[-1] >= rows:
        raise CorruptError(f"{path} names row {deaths.row[-1]} of a partition of {rows} rows")
    return deaths


def _encode(deaths: Deaths) -> bytes:
    arrays = (
        np.ascontiguousarray(getattr(deaths, name), dtype=dtype).tobytes()
        for name, dtype in _FIELDS.items()
    )
    content = b"".join(arrays)
    count = len(deaths.row)
    checksum = crc32c(content, crc32c(count.to_bytes(8, "little")))
    return _HEADER.pack(_MAGIC, _VERSION, checksum, count) + content


def _decode(path: Path, data: bytes) -> Deaths:
    if len(data) < _HEADER.size:
        raise CorruptError(f"{path} was cut short")
    magic, version, checksum, count = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise CorruptError(f"{path} is no overlay of version {_VERSION}")
    if crc32c(data[_CHECKED_FROM:]) != checksum:
        raise CorruptError(f"{path} is damaged: its checksum does not match")
    if len(data) != _HEADER.size + count * _ROW_BYTES:
        raise CorruptError(f"{path} is damaged: it says that it has {count} rows")
    arrays = {}
    offset = _HEADER.size
    for name, dtype in _FIELDS.items():
        arrays[name] = np.frombuffer(data, dtype, count, offset)
        offset += arrays[name].nbytes
    return Deaths(arrays["row"].astype(np.int64), arrays["seq"], arrays["at"], arrays["by"])


def _problem_of(deaths: Deaths) -> str | None:
    """What about these deaths cannot be, None if nothing."""
    count = len(deaths.row)
    if not count == len(deaths.seq) == len(deaths.at) == len(deaths.by):
        return "its columns differ in length"
    if count and deaths.row[0] < 0:
        return f"row {deaths.row[0]} is negative"
    if (np.diff(deaths.row) <= 0).any():
        return "its rows do not ascend"
    if (np.asarray(deaths.seq) == 0).any():
        return "a row died without a seq"
    if not np.isin(deaths.by, list(DeathCause)).all():
        return "a row died of an unknown cause"
    return None

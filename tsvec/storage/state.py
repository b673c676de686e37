"""Checkpoints of the state, so that the log behind them may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import FileEntry

STATE_SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "entities": pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
            pa.field("points", pa.int64(), nullable=False),
            pa.field("low", pa.int64(), nullable=False),
            pa.field("high", pa.int64(), nullable=False),
        ]
    ),
    "past_types": pa.schema(
        [
            pa.field("number", pa.uint32(), nullable=False),
            pa.field("until_seq", pa.uint64(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
        ]
    ),
    "attributes": pa.schema(
        [
            pa.field("number", pa.uint32(), nullable=False),
            pa.field("seq", pa.uint64(), nullable=False),
            pa.field("recorded_at", pa.int64(), nullable=False),
            pa.field("value", pa.large_string()),
        ]
    ),
    "replies": pa.schema(
        [
            pa.field("key", pa.large_binary(), nullable=False),
            pa.field("fingerprint", pa.large_binary(), nullable=False),
            pa.field("kept_at", pa.int64(), nullable=False),
            pa.field("reply", pa.large_binary(), nullable=False),
        ]
    ),
}
"""The tables of a checkpoint, by name.

`entities` are ordered by their numbers, `low` and `high` bound their event times. `past_types` are
types that entities had before change `until_seq`. `attributes` are JSON objects, each from its seq
on, null where they were reset. `replies` are those kept to be repeated, packed, in the order they
were given. Times are in µs since 1970 UTC.
"""

_LATER: Final = frozenset({"replies"})
"""Tables that the first checkpoints of this format did not have."""


def write_state(
    files: Files,
    duck: DuckFiles,
    paths: CollectionPaths,
    seq: int,
    tables: Mapping[str, pa.Table],
    generation: int,
) -> FileEntry:
    """A checkpoint of the state as of `seq`; live once the manifest `generation` names it.

    `tables` are those of `STATE_SCHEMAS`, all of them; ValueError if one is missing or unknown.
    """
    if tables.keys() != STATE_SCHEMAS.keys():
        raise ValueError(f"the state is {', '.join(STATE_SCHEMAS)}, not {', '.join(tables)}")
    # The generation too: what time alone changes has no seq, and a live file is never written over.
    name = f"state-{seq}-{generation:08d}.duckdb"
    path = paths.state / name
    scratch = path.with_suffix(".tmp")
    files.remove(scratch)
    ordered = {table: tables[table].cast(schema) for table, schema in STATE_SCHEMAS.items()}
    duck.write(scratch, ordered)
    files.sync_file(scratch)
    files.rename(scratch, path)
    files.failpoints.hit("seal.state_written")
    return FileEntry(path=f"state/{name}", size=path.stat().st_size, sha256=sha256_of(path))


def read_state(duck: DuckFiles, paths: CollectionPaths, entry: FileEntry) -> dict[str, pa.Table]:
    """The tables of a checkpoint; CorruptError if the file is damaged or missing."""
    path = paths.root / entry.path
    if not path.exists():
        raise CorruptError(f"{path} is missing; restore the directory from a backup")
    if path.stat().st_size != entry.size or sha256_of(path) != entry.sha256:
        raise CorruptError(f"{path} is damaged: its sha256 does not match the manifest")
    found = duck.read(path, *STATE_SCHEMAS, optional=_LATER)
    return {
        name: found[name].cast(schema) if name in found else schema.empty_table()
        for name, schema in STATE_SCHEMAS.items()
    }

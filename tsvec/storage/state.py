"""Checkpoints of the state, so that the log behind them may go."""

from __future__ import annotations

import pyarrow as pa

from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import FileEntry


def entities_schema() -> pa.Schema:
    """The entity registry as a table, ordered by number: times in µs since 1970 UTC."""
    return pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
            pa.field("first_seen", pa.int64(), nullable=False),
            pa.field("last_seen", pa.int64(), nullable=False),
            pa.field("points", pa.int64(), nullable=False),
        ]
    )


def write_state(
    files: Files, duck: DuckFiles, paths: CollectionPaths, seq: int, entities: pa.Table
) -> FileEntry:
    """A checkpoint of the registry as of `seq`; live once a manifest names it."""
    name = f"state-{seq}.duckdb"
    path = paths.state / name
    scratch = path.with_suffix(".tmp")
    files.remove(scratch)
    duck.write_entities(scratch, entities)
    files.sync_file(scratch)
    files.rename(scratch, path)
    files.failpoints.hit("seal.state_written")
    return FileEntry(path=f"state/{name}", size=path.stat().st_size, sha256=sha256_of(path))


def read_state(duck: DuckFiles, paths: CollectionPaths, entry: FileEntry) -> pa.Table:
    """The registry of a checkpoint; CorruptError if the file is damaged or missing."""
    path = paths.root / entry.path
    if not path.exists():
        raise CorruptError(f"{path} is missing; restore the directory from a backup")
    if path.stat().st_size != entry.size or sha256_of(path) != entry.sha256:
        raise CorruptError(f"{path} is damaged: its sha256 does not match the manifest")
    return duck.read(path, "entities").cast(entities_schema())

"""The manifest: names every live file of a collection. Its rename is the one commit point."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.log.chain import LogPosition

_VERSION: Final = 1


class FileEntry(BaseModel):
    """A live file, by its path below the collection's directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class PartitionEntry(BaseModel):
    """A live partition: what its files are and which times and seqs its rows have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    time_min: int
    time_max: int
    seq_min: int
    seq_max: int
    points: FileEntry
    columns: FileEntry


class LogEntry(BaseModel):
    """The place in the log where a restart begins to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: int
    offset: int
    chain: int
    seq: int

    @property
    def position(self) -> LogPosition:
        """The same as a log position."""
        return LogPosition(self.segment, self.offset, self.chain, self.seq)


class Manifest(BaseModel):
    """One version of the list of live files.

    Points up to `sealed_seq` are in partitions; the entity registry up to `state_seq` is in the
    file `state`. Everything later is read from the log, from `log` on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = _VERSION
    generation: int
    config: CollectionConfig
    history: str
    created_at: int
    sealed_seq: int
    recorded_at: int
    log: LogEntry
    partitions: tuple[PartitionEntry, ...] = ()
    state: FileEntry | None = None
    state_seq: int = 0

    @property
    def history_number(self) -> int:
        """The history as segments and frames carry it."""
        return int(self.history, 16)

    def live_files(self) -> list[FileEntry]:
        """Every file the manifest names."""
        found = [file for part in self.partitions for file in (part.points, part.columns)]
        return [*found, self.state] if self.state else found

    @classmethod
    def read(cls, path: Path) -> Self:
        """The manifest in a file; CorruptError if a byte of it changed."""
        try:
            document = orjson.loads(path.read_bytes())
            body = orjson.dumps(document["manifest"], option=orjson.OPT_SORT_KEYS)
            if hashlib.sha256(body).hexdigest() != document["sha256"]:
                raise CorruptError(f"{path} is damaged: its checksum does not match")
            return cls.model_validate_json(body)
        except FileNotFoundError:
            raise CorruptError(f"{path} is missing") from None
        except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
            raise CorruptError(f"{path} is damaged: {error}") from error

    def write(self, files: Files, path: Path) -> None:
        """Make this the manifest: written beside, fsynced, renamed, directory fsynced."""
        body = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        document = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "manifest": orjson.Fragment(body),
        }
        scratch = path.with_suffix(".tmp")
        files.write_file(scratch, orjson.dumps(document))
        files.failpoints.hit("manifest.before_rename")
        files.rename(scratch, path, failpoint="manifest.after_rename")


def remove_orphans(files: Files, manifest: Manifest, paths: CollectionPaths) -> None:
    """Remove what a crash or a failed seal left behind: all that the manifest does not name."""
    live = {paths.root / file.path for file in manifest.live_files()}
    live |= {path.parent for path in live}
    for directory in (paths.partitions, paths.state):
        directory.mkdir(exist_ok=True)
        for entry in directory.iterdir():
            if entry not in live:
                files.remove(entry)
    files.remove(paths.manifest.with_suffix(".tmp"))

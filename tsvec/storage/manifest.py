"""The manifest: names every live file of a collection. Its rename is the one commit point."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import checked_body, checked_document
from tsvec.storage.files import Files
from tsvec.storage.layout import STAGED_SUFFIX, CollectionPaths
from tsvec.storage.log.chain import LogPosition

_VERSION: Final = 1
_MEMBER: Final = b"manifest"


class FileEntry(BaseModel):
    """A live file, by its path below the collection's directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class PartitionEntry(BaseModel):
    """A live partition: what its files are, which times and seqs its rows have, and who is dead.

    Times are in µs since 1970 UTC. `dead_rows` of its rows were dead when its files were written;
    the file `overlay` names those that died since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    time_min: int
    time_max: int
    seq_min: int
    seq_max: int
    recorded_min: int
    recorded_max: int
    norm_max: float
    points: FileEntry
    columns: FileEntry
    dead_rows: int = 0
    overlay: FileEntry | None = None


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
    file `state`. Everything later is read from the log, from `log` on. Versions that were dead by
    `purged_seq`, or by the recorded time `purged_at`, may be gone. `config_changes` are the (seq,
    recorded time) of each change of `config`; `sealed_bytes` and `compacted_bytes` were ever
    written into partitions.
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
    purged_seq: int = 0
    purged_at: int = 0
    config_changes: tuple[tuple[int, int], ...] = ()
    last_partition: int = 0
    sealed_bytes: int = 0
    compacted_bytes: int = 0

    @property
    def history_number(self) -> int:
        """The history as segments and frames carry it."""
        return int(self.history, 16)

    def live_files(self) -> list[FileEntry]:
        """Every file the manifest names."""
        named = [
            file for part in self.partitions for file in (part.points, part.columns, part.overlay)
        ]
        return [file for file in (*named, self.state) if file is not None]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The manifest in a file; CorruptError if a byte of it changed."""
        try:
            body = checked_body(_MEMBER, path.read_bytes())
            if body is None:
                raise CorruptError(f"{path} is damaged: its checksum does not match")
            return cls.model_validate_json(body)
        except FileNotFoundError:
            raise CorruptError(f"{path} is missing") from None
        except ValidationError as error:
            raise CorruptError(f"{path} is damaged: {error}") from error

    def write(self, files: Files, path: Path) -> None:
        """Make this the manifest: written beside, fsynced, renamed, directory fsynced."""
        body = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        scratch = path.with_suffix(".tmp")
        files.write_file(scratch, checked_document(_MEMBER, body))
        files.failpoints.hit("manifest.before_rename")
        files.rename(scratch, path, failpoint="manifest.after_rename")


def remove_orphans(
    files: Files, manifest: Manifest, paths: CollectionPaths, keep: Container[str] = ()
) -> None:
    """Remove what a crash or a failed seal left behind: all that the manifest does not name.

    Partitions whose names are in `keep` stay, also while they are being written.
    """
    live = {paths.root / file.path for file in manifest.live_files()}
    live |= {path.parent for path in live}
    for directory in (paths.partitions, paths.overlays, paths.state):
        if not directory.is_dir():
            files.make_directory(directory)
        kept = keep if directory == paths.partitions else ()
        for entry in directory.iterdir():
            if entry not in live and entry.name.removesuffix(STAGED_SUFFIX) not in kept:
                files.remove(entry)
    files.remove(paths.manifest.with_suffix(".tmp"))

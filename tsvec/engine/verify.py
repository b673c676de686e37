"""Rereading every byte of a database directory and comparing it with every checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tsvec.engine.recovery import check_log_end
from tsvec.model.errors import NotFoundError, TsvecError
from tsvec.storage.access.key_file import KeyFile
from tsvec.storage.checksums import sha256_of
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import DELETED_SUFFIX, CollectionPaths, RootDirectory
from tsvec.storage.log.chain import Log
from tsvec.storage.log.frames import Frame
from tsvec.storage.manifest import FileEntry, Manifest, PartitionEntry
from tsvec.storage.overlay import read_overlay
from tsvec.storage.partition import PartitionStore
from tsvec.storage.retries.requests import FILE_NAME, RequestFile
from tsvec.storage.state import read_state


@dataclass(slots=True)
class VerifyReport:
    """What a verification read and found; each problem names its file."""

    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged (any more)."""
        return not self.problems

    def check(self, path: Path, step: Callable[[], object]) -> bool:
        """Run one check of a file and note it; False if it found damage."""
        self.files += 1
        self.bytes += path.stat().st_size if path.exists() else 0
        try:
            step()
        except (TsvecError, OSError, ValueError) as error:
            text = str(error)
            self.problems.append(text if path.name in text else f"{path}: {text}")
            return False
        return True


def verify_directory(
    path: Path | str, *, repair: bool = False, progress: Callable[[str], None] | None = None
) -> VerifyReport:
    """Check every file of a directory that no process has open.

    With `repair`, damaged columns are rebuilt from their DuckDB file. `progress` is told each
    partition. Raises NotFoundError if there is no database, ConflictError if it is in use,
    CorruptError if its format cannot be read.
    """
    root_path = Path(path).resolve()
    if not (root_path / "FORMAT").exists():
        raise NotFoundError(f"{path} is no tsvec directory (no FORMAT)")
    files = Files()
    root = RootDirectory.open(root_path, files)
    duck = DuckFiles(root.path)
    report = VerifyReport()
    try:
        if root.keys.exists():
            report.check(root.keys, lambda: KeyFile.read(root.keys))
        places = (path for name in root.tenants() for path in root.tenant(name).iterdir())
        for found in sorted(places):
            if found.name == FILE_NAME:
                report.check(found, partial(RequestFile.read, found))
            if found.is_dir() and found.suffix not in (".tmp", DELETED_SUFFIX):
                check = _CollectionCheck(files, duck, CollectionPaths(found), report)
                check.run(repair=repair, progress=progress or (lambda _: None))
    finally:
        duck.close()
        root.close()
    return report


class _CollectionCheck:
    """The checks of one collection."""

    def __init__(
        self, files: Files, duck: DuckFiles, paths: CollectionPaths, report: VerifyReport
    ) -> None:
        self._files = files
        self._duck = duck
        self._paths = paths
        self._report = report
        self._partitions = PartitionStore(files, duck, paths)

    def run(self, *, repair: bool, progress: Callable[[str], None]) -> None:
        """Check manifest, partitions, state and log."""
        paths = self._paths
        manifests: list[Manifest] = []
        self._report.check(paths.manifest, lambda: manifests.append(Manifest.read(paths.manifest)))
        for manifest in manifests:
            for entry in manifest.partitions:
                progress(f"{manifest.config.name}/{entry.name}")
                self._check_partition(manifest, entry, repair=repair)
            if manifest.state is not None:
                self._check_state(manifest.state)
        self._report.check(paths.log, lambda: self._check_log(manifests))

    def _check_partition(self, manifest: Manifest, entry: PartitionEntry, *, repair: bool) -> None:
        report, partitions = self._report, self._partitions
        config, overlay = manifest.config, entry.overlay
        if overlay is not None:
            report.check(
                self._paths.root / overlay.path,
                lambda: read_overlay(self._paths, overlay, entry.rows),
            )
        sound = report.check(
            self._paths.root / entry.points.path, lambda: partitions.read_truth(entry, config.dim)
        )
        path = self._paths.root / entry.columns.path
        if report.check(path, lambda: self._check_columns(entry)) or not (repair and sound):
            return
        report.problems.pop()
        if report.check(path, lambda: partitions.rebuild_columns(entry, config)):
            report.repaired.append(str(path))

    def _check_state(self, entry: FileEntry) -> None:
        self._report.check(
            self._paths.root / entry.path, lambda: read_state(self._duck, self._paths, entry)
        )

    def _check_columns(self, entry: PartitionEntry) -> None:
        self._partitions.open(entry).check_all()
        self._check_hash(entry.columns)

    def _check_hash(self, file: FileEntry) -> None:
        path = self._paths.root / file.path
        if sha256_of(path) != file.sha256:
            raise ValueError(f"{path} is damaged: its sha256 does not match the manifest")

    def _check_log(self, manifests: list[Manifest]) -> None:
        """Every frame that is still there, then those behind each manifest's place."""
        history = manifests[0].history_number if manifests else None
        log = Log.open(self._files, self._paths.log, 0, history)
        try:
            _exhaust(log.replay(log.start))
            for manifest in manifests:
                check_log_end(log, manifest, self._paths)
                _exhaust(log.read_from(manifest.log.position))
        finally:
            log.close()


def _exhaust(frames: Iterable[Frame]) -> None:
    for _ in frames:
        pass

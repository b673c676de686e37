"""The directory of a database: where things lie, who holds it, which format it has.

<root>/FORMAT                                  "tsvec 1"
<root>/LOCK                                    flock'ed by the process that has it open
<root>/keys.json                               digests of API keys, if one was ever made
<root>/tenants/<tenant>/requests.json          requests not to make or delete collections twice
<root>/tenants/<tenant>/<uuid>/manifest.json   one directory a collection
                               log/<number>.log
                               partitions/<name>/{points.duckdb,columns.bin}
                               overlays/<name>-<generation>.bin
                               state/state-<seq>.duckdb
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from tsvec.model.access.tenants import check_tenant_name
from tsvec.model.collections import DEFAULT_TENANT
from tsvec.model.errors import ConflictError, CorruptError
from tsvec.storage.files import Files, translated

FORMAT_VERSION = 1
_FORMAT = f"tsvec {FORMAT_VERSION}\n"
DELETED_SUFFIX = ".deleted"
STAGED_SUFFIX = ".tmp"
_BEFORE_FORMAT = ("LOCK", "FORMAT.tmp", "lost+found")
"""What a crash while making a directory may leave in it."""


class CollectionPaths:
    """Where the files of one collection lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest = root / "manifest.json"
        self.log = root / "log"
        self.partitions = root / "partitions"
        self.overlays = root / "overlays"
        self.state = root / "state"

    @property
    def tenant(self) -> str:
        """Whose collection it is."""
        return self.root.parent.name


class RootDirectory:
    """An open database directory, held exclusively until `close`."""

    def __init__(self, path: Path, lock: int, files: Files) -> None:
        self.path = path
        self.files = files
        self.keys = path / "keys.json"
        self._tenants = path / "tenants"
        self._lock = lock

    @classmethod
    def open(cls, path: Path, files: Files) -> Self:
        """Take the directory, making it if it is missing or empty.

        Raises ConflictError at once if another process holds it, CorruptError if it is not a
        database directory or of a newer format, which is then left untouched.
        """
        with translated(f"cannot open {path}"):
            missing = [place for place in (path, *path.parents) if not place.exists()]
            path.mkdir(parents=True, exist_ok=True)
            for place in missing:
                files.sync_directory(place.parent)
            format_file = path / "FORMAT"
            if format_file.exists():
                check_format(path)
            elif any(entry.name not in _BEFORE_FORMAT for entry in path.iterdir()):
                raise ConflictError(f"{path} is neither empty nor a tsvec directory (no FORMAT)")
            lock = _take_lock(path)
            if not format_file.exists():
                scratch = path / "FORMAT.tmp"
                files.write_file(scratch, _FORMAT.encode())
                files.rename(scratch, format_file)
            return cls(path, lock, files)

    @property
    def is_held(self) -> bool:
        """Whether it has not been let go yet."""
        return self._lock >= 0

    def path_of(self, tenant: str) -> Path:
        """Where the directory of a tenant is or would be."""
        return self._tenants / tenant

    def tenant(self, tenant: str) -> Path:
        """The directory of a tenant, made if missing."""
        path = self.path_of(tenant)
        if not path.is_dir():
            with translated(f"cannot make {path}"):
                path.mkdir(parents=True, exist_ok=True)
                self.files.sync_directory(path.parent)
                self.files.sync_directory(self.path)
        return path

    def tenants(self) -> list[str]:
        """Who has a directory, sorted; CorruptError for one that no tenant can have."""
        if not self._tenants.is_dir():
            return []
        names = sorted(path.name for path in self._tenants.iterdir() if path.is_dir())
        for name in names:
            try:
                check_tenant_name(name)
            except ValueError as error:
                raise CorruptError(
                    f"{self._tenants / name} is no tenant's directory ({error}); move it away"
                ) from None
        return names

    def forget_tenant(self, tenant: str) -> None:
        """Remove the directory of a tenant, unless something is in it."""
        if tenant != DEFAULT_TENANT:
            with suppress(OSError):
                (self._tenants / tenant).rmdir()

    def close(self) -> None:
        """Let the directory go."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def check_format(path: Path) -> None:
    """Raise CorruptError unless this program can read the directory's format."""
    text = (path / "FORMAT").read_bytes()
    if text == _FORMAT.encode():
        return
    word, _, version = text.decode(errors="replace").strip().partition(" ")
    if word == "tsvec" and version.isdigit() and int(version) > FORMAT_VERSION:
        raise CorruptError(
            f"{path / 'FORMAT'} says format {version}, newer than the {FORMAT_VERSION} this "
            "version of tsvec knows; nothing was touched, use a newer tsvec"
        )
    raise CorruptError(f"{path / 'FORMAT'} is damaged: it does not say 'tsvec {FORMAT_VERSION}'")


def _take_lock(path: Path) -> int:
    handle = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
        os.close(handle)
        raise ConflictError(
            f"{path} is in use by another process{f' (pid {holder})' if holder else ''}; "
            "talk to that process over HTTP or stop it"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle

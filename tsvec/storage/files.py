"""The file system behind one seam, so that a test can make any of its calls fail."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsvec.model.errors import DiskFullError, UnavailableError
from tsvec.storage.failpoints import FailPoints

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SyncFailedError(Exception):
    """fsync failed: what is on disk is unknown, so nothing may be acknowledged any more."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn an OSError into disk_full or unavailable, saying what was being done."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _NO_ROOM:
            raise DiskFullError(f"{doing}: {reason}; free some space and retry") from error
        raise UnavailableError(f"{doing}: {reason}") from error


class FileWriter:
    """A new file while it is written; `offset` is where the next piece goes."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.offset = 0

    def write(self, piece: Any) -> None:
        """Write all of a buffer of bytes behind what was written so far."""
        self.write_at(piece, self.offset)
        self.offset += len(piece)

    def write_at(self, piece: Any, offset: int) -> None:
        """Write all of a buffer of bytes at a place of its own; `offset` stays."""
        view = memoryview(piece)
        while view:
            written = os.pwrite(self._handle, view, offset)
            view, offset = view[written:], offset + written


class Files:
    """Durable file operations; `failpoints` lets a test interrupt any of them."""

    def __init__(self, failpoints: FailPoints | None = None) -> None:
        self.failpoints = failpoints or FailPoints()

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def sync_file(self, path: Path) -> None:
        """Make a file's content durable."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def make_directory(self, path: Path) -> None:
        """Make a directory whose name survives a crash."""
        path.mkdir()
        self.sync_directory(path.parent)

    def write_file(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        """Write a whole new file and make its content, not yet its name, durable."""
        with self.writing(path, mode) as file:
            file.write(data)

    @contextmanager
    def writing(self, path: Path, mode: int = 0o666) -> Iterator[FileWriter]:
        """A whole new file, written piece by piece, its content (not its name) durable at the end.

        After an error what was written is left where it is, for the caller to remove.
        """
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            yield FileWriter(handle)
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path, failpoint: str | None = None) -> None:
        """Rename atomically and make the new name durable; `failpoint` names the step between.

        An OSError means that nothing happened; SyncFailedError that nobody knows.
        """
        source.rename(target)
        try:
            if failpoint is not None:
                self.failpoints.hit(failpoint)
            self.sync_directory(target.parent)
        except OSError as error:
            raise SyncFailedError(f"{target.parent}: {error}") from error

    def remove(self, path: Path) -> None:
        """Remove a file or a tree; what is already gone is no error."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

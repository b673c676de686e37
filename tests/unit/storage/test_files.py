"""The file system behind one seam."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from tests.unit.storage.samples import files_with
from tsvec.model.errors import DiskFullError, UnavailableError
from tsvec.storage.files import Files, SyncFailedError, translated


def refused(code: int) -> None:
    with translated("cannot write x"):
        raise OSError(code, "no")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_disk_full(code):
    with pytest.raises(DiskFullError, match=r"cannot write x.*free some space"):
        refused(code)


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.EROFS])
def test_other_refusals_are_unavailable(code):
    with pytest.raises(UnavailableError, match="cannot write x: ") as caught:
        refused(code)
    assert not isinstance(caught.value, DiskFullError)


def test_what_is_no_os_error_passes_through():
    with pytest.raises(SyncFailedError), translated("cannot write x"):
        raise SyncFailedError("x")


def test_write_sync_and_rename(tmp_path):
    files = Files()
    files.make_directory(tmp_path / "new")
    files.write_file(tmp_path / "new" / "a", b"one")
    files.write_file(tmp_path / "new" / "a", b"2")
    files.sync_file(tmp_path / "new" / "a")
    (tmp_path / "b").write_bytes(b"old")
    files.rename(tmp_path / "new" / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"2"
    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_written_in_pieces(tmp_path):
    with Files().writing(tmp_path / "a") as file:
        file.offset = 4
        for piece in (b"behind", b"", np.arange(3, dtype=np.uint8), memoryview(b"!")):
            file.write(piece)
        file.write_at(b"head", 0)
        assert file.offset == 14
    assert (tmp_path / "a").read_bytes() == b"headbehind\0\1\2!"
    with Files().writing(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_pieces_are_written_whole_even_if_the_system_takes_a_part(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: pwrite(handle, data[:3], at))
    with Files().writing(tmp_path / "a") as file:
        file.write(b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_file_written_in_pieces_is_synced_last_and_let_go(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    with Files().writing(tmp_path / "a") as file:
        file.write(b"123")
        assert sizes == []
    assert sizes == [3]
    with pytest.raises(OSError, match="no room"), Files().writing(tmp_path / "b") as file:
        raise OSError(errno.ENOSPC, "no room")
    assert sizes == [3]
    held = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert [path for path in held if path.startswith(str(tmp_path))] == []


def test_a_directory_is_not_made_twice(tmp_path):
    with pytest.raises(FileExistsError):
        Files().make_directory(tmp_path)


def test_a_rename_that_did_not_happen_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Files().rename(tmp_path / "missing", tmp_path / "b")


def test_a_rename_that_may_not_last_is_a_failed_sync(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    files = files_with("manifest.after_rename=eio")
    with pytest.raises(SyncFailedError, match=str(tmp_path)):
        files.rename(tmp_path / "a", tmp_path / "b", failpoint="manifest.after_rename")
    assert (tmp_path / "b").exists()


def test_remove_takes_files_trees_and_what_is_not_there(tmp_path):
    files = Files()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for name in ("tree", "file", "missing"):
        files.remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_remove_takes_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    Files().remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

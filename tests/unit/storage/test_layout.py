"""The directory of a database: its lock, its format, its places."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.unit.storage.samples import flipped
from tsvec.model.errors import ConflictError, CorruptError, UnavailableError
from tsvec.storage.files import Files
from tsvec.storage.layout import FORMAT_VERSION, CollectionPaths, RootDirectory


def hashes(path) -> dict[str, str]:
    found = [entry for entry in path.rglob("*") if entry.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


def test_a_new_directory_says_its_format(tmp_path):
    root = RootDirectory.open(tmp_path / "deep" / "data", Files())
    assert (root.path / "FORMAT").read_text() == f"tsvec {FORMAT_VERSION}\n"
    assert (root.path / "LOCK").read_text() == f"{os.getpid()}\n"
    root.close()
    root.close()


def test_the_second_holder_is_told_at_once_who_the_first_is(tmp_path):
    first = RootDirectory.open(tmp_path, Files())
    with pytest.raises(ConflictError, match=rf"in use by another process \(pid {os.getpid()}\)"):
        RootDirectory.open(tmp_path, Files())
    first.close()
    RootDirectory.open(tmp_path, Files()).close()


def test_a_newer_format_is_refused_and_left_untouched(tmp_path):
    (tmp_path / "FORMAT").write_text(f"tsvec {FORMAT_VERSION + 1}\n")
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "file").write_bytes(b"of the future")
    before = hashes(tmp_path)
    with pytest.raises(CorruptError, match="FORMAT says format 2, newer than the 1"):
        RootDirectory.open(tmp_path, Files())
    assert hashes(tmp_path) == before


def test_every_flipped_bit_of_the_format_is_noticed(tmp_path):
    RootDirectory.open(tmp_path, Files()).close()
    sound = (tmp_path / "FORMAT").read_bytes()
    for bit in range(8 * len(sound)):
        (tmp_path / "FORMAT").write_bytes(flipped(sound, bit))
        with pytest.raises(CorruptError, match="FORMAT"):
            RootDirectory.open(tmp_path, Files())
    (tmp_path / "FORMAT").write_bytes(b"")
    with pytest.raises(CorruptError, match="FORMAT is damaged"):
        RootDirectory.open(tmp_path, Files())


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConflictError, match="no FORMAT"):
        RootDirectory.open(tmp_path, Files())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("left", [[], ["LOCK"], ["LOCK", "FORMAT.tmp"]])
def test_a_crash_while_it_is_made_does_not_spoil_a_directory(tmp_path, left):
    for name in left:
        (tmp_path / name).touch()
    RootDirectory.open(tmp_path, Files()).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FORMAT", "LOCK"]


def test_a_place_where_nothing_can_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot open"):
        RootDirectory.open(tmp_path / "file" / "below", Files())


def test_tenants_have_directories(tmp_path):
    root = RootDirectory.open(tmp_path, Files())
    assert root.tenant("a") == tmp_path / "tenants" / "a" == root.tenant("a")
    assert root.tenant("a").is_dir()
    root.close()


def test_the_places_of_a_collection(tmp_path):
    paths = CollectionPaths(tmp_path)
    found = (paths.manifest, paths.log, paths.partitions, paths.state)
    assert [path.name for path in found] == ["manifest.json", "log", "partitions", "state"]
    assert {path.parent for path in found} == {tmp_path}

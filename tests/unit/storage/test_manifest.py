"""The list of live files, and its commit."""

from __future__ import annotations

import hashlib

import orjson
import pytest

from tests.unit.storage.samples import files_with, flipped, manifest_of
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files, SyncFailedError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import FileEntry, Manifest, PartitionEntry, remove_orphans


def file_entry(path: str) -> FileEntry:
    return FileEntry(path=path, size=3, sha256=hashlib.sha256(path.encode()).hexdigest())


def partition(name: str) -> PartitionEntry:
    return PartitionEntry(
        name=name,
        rows=2,
        time_min=-5,
        time_max=5,
        seq_min=1,
        seq_max=2,
        points=file_entry(f"partitions/{name}/points.duckdb"),
        columns=file_entry(f"partitions/{name}/columns.bin"),
    )


FULL = {
    "generation": 7,
    "sealed_seq": 2,
    "partitions": (partition("p-00000002"),),
    "state": file_entry("state/state-2.duckdb"),
    "state_seq": 2,
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "manifest.json"


def test_it_comes_back(path):
    for manifest in (manifest_of(), manifest_of(**FULL)):
        manifest.write(Files(), path)
        assert Manifest.read(path) == manifest
    assert [entry.path for entry in manifest.live_files()] == [
        "partitions/p-00000002/points.duckdb",
        "partitions/p-00000002/columns.bin",
        "state/state-2.duckdb",
    ]
    assert f"{manifest.history_number:016x}" == manifest.history
    assert manifest.log.position.seq == manifest.log.seq


def test_every_flipped_bit_is_noticed(path):
    manifest = manifest_of(**FULL)
    manifest.write(Files(), path)
    sound = path.read_bytes()
    for bit in range(8 * len(sound)):
        path.write_bytes(flipped(sound, bit))
        with pytest.raises(CorruptError, match=r"manifest\.json"):
            Manifest.read(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"sha256":"","manifest":3}'])
def test_what_is_no_manifest_is_damage(path, content):
    path.write_bytes(content)
    with pytest.raises(CorruptError, match=r"manifest\.json is damaged"):
        Manifest.read(path)


def test_a_cut_is_noticed(path):
    manifest_of().write(Files(), path)
    sound = path.read_bytes()
    for size in range(len(sound)):
        path.write_bytes(sound[:size])
        with pytest.raises(CorruptError, match="damaged"):
            Manifest.read(path)
    path.unlink()
    with pytest.raises(CorruptError, match="is missing"):
        Manifest.read(path)


@pytest.mark.parametrize("change", [{"version": 2}, {"surprise": 1}, {"sealed_seq": None}])
def test_a_manifest_that_says_something_else_is_refused(path, change):
    body = orjson.dumps(manifest_of().model_dump(mode="json") | change, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(body).hexdigest()
    path.write_bytes(orjson.dumps({"sha256": digest, "manifest": orjson.Fragment(body)}))
    with pytest.raises(CorruptError, match="damaged"):
        Manifest.read(path)


def test_until_the_rename_the_old_one_holds(path):
    old, new = manifest_of(), manifest_of(**FULL)
    old.write(Files(), path)
    with pytest.raises(OSError, match="fail point"):
        new.write(files_with("manifest.before_rename=enospc"), path)
    assert Manifest.read(path) == old
    new.write(Files(), path)
    assert Manifest.read(path) == new


def test_after_the_rename_a_failure_is_a_failed_sync(path):
    with pytest.raises(SyncFailedError):
        manifest_of().write(files_with("manifest.after_rename=eio"), path)
    assert Manifest.read(path) == manifest_of()


def test_what_no_manifest_names_is_removed(tmp_path):
    paths = CollectionPaths(tmp_path)
    manifest = manifest_of(**FULL)
    named = [entry.path for entry in manifest.live_files()]
    left = [
        "partitions/p-00000003.tmp/points.duckdb",
        "partitions/p-00000003/points.duckdb",
        "state/state-1.duckdb",
        "state/state-4.tmp",
        "state/state-4.tmp.wal",
        "manifest.tmp",
    ]
    kept = ["manifest.json", "log/0000000001.log"]
    for name in [*named, *left, *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_orphans(Files(), manifest, paths)
    found = [
        file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.*") if file.is_file()
    ]
    assert sorted(found) == sorted([*named, *kept])


def test_empty_directories_that_a_backup_left_out_are_made_again(tmp_path):
    remove_orphans(Files(), manifest_of(), CollectionPaths(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["partitions", "state"]

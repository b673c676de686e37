"""The list of live files, and its commit."""

from __future__ import annotations

import hashlib

import orjson
import pytest

from tests.unit.storage.samples import files_with, manifest_of, with_bit_flipped
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files, SyncFailedError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import FileEntry, Manifest, PartitionEntry, remove_orphans


def file_entry(path: str) -> FileEntry:
    return FileEntry(path=path, size=3, sha256=hashlib.sha256(path.encode()).hexdigest())


def partition(name: str, *, norm_max: float = 1.5e300, **fields) -> PartitionEntry:
    return PartitionEntry(
        name=name,
        rows=2,
        time_min=-5,
        time_max=5,
        seq_min=1,
        seq_max=2,
        recorded_min=6,
        recorded_max=7,
        norm_max=norm_max,
        points=file_entry(f"partitions/{name}/points.duckdb"),
        columns=file_entry(f"partitions/{name}/columns.bin"),
        **fields,
    )


OVERLAY = "overlays/p-00000004-00000006.bin"
FULL = {
    "generation": 7,
    "sealed_seq": 2,
    "partitions": (
        partition("p-00000002"),
        partition("p-00000004", dead_rows=1, overlay=file_entry(OVERLAY)),
    ),
    "state": file_entry("state/state-2.duckdb"),
    "state_seq": 2,
    "purged_seq": 1,
    "purged_at": 5,
    "config_changes": ((1, 5), (2, 6)),
    "sealed_bytes": 600,
    "compacted_bytes": 300,
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
        "partitions/p-00000004/points.duckdb",
        "partitions/p-00000004/columns.bin",
        "overlays/p-00000004-00000006.bin",
        "state/state-2.duckdb",
    ]
    assert f"{manifest.history_number:016x}" == manifest.history
    assert manifest.log.position.seq == manifest.log.seq


def test_every_flipped_bit_is_noticed(path):
    manifest = manifest_of(**FULL)
    manifest.write(Files(), path)
    for bit in range(8 * path.stat().st_size):
        with_bit_flipped(path, bit)
        with pytest.raises(CorruptError, match=r"manifest\.json"):
            Manifest.read(path)
        with_bit_flipped(path, bit)
    assert Manifest.read(path) == manifest


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"sha256":"","manifest":3}'])
def test_what_is_no_manifest_is_damage(path, content):
    path.write_bytes(content)
    with pytest.raises(CorruptError, match=r"manifest\.json is damaged"):
        Manifest.read(path)


@pytest.mark.parametrize("norm", [0.1, 1e20, 1e-7, 3.4e38, 123456789.123])
def test_the_checksum_is_of_the_bytes_as_they_are_written(path, norm):
    manifest_of(partitions=(partition("p-00000002", norm_max=norm),)).write(Files(), path)
    assert Manifest.read(path).partitions[0].norm_max == norm
    pretty = orjson.dumps(orjson.loads(path.read_bytes()), option=orjson.OPT_INDENT_2)
    path.write_bytes(pretty)
    with pytest.raises(CorruptError, match="damaged"):
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
        "overlays/p-00000004-00000005.bin",
        "overlays/p-00000004-00000007.bin.tmp",
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "overlays",
        "partitions",
        "state",
    ]


def test_partitions_that_are_to_be_kept_stay(tmp_path):
    paths = CollectionPaths(tmp_path)
    staged = paths.partitions / "p-00000003.tmp"
    kept = paths.partitions / "p-00000005"
    gone = paths.partitions / "p-00000004.tmp"
    same_name = paths.state / "p-00000005"
    for path in (staged, kept, gone, same_name):
        path.mkdir(parents=True)
        (path / "points.duckdb").touch()
    remove_orphans(Files(), manifest_of(), paths, keep={"p-00000003", "p-00000005"})
    assert sorted(paths.partitions.iterdir()) == [staged, kept]
    assert (staged / "points.duckdb").exists()
    assert list(paths.state.iterdir()) == []
    remove_orphans(Files(), manifest_of(), paths)
    assert list(paths.partitions.iterdir()) == []

"""The file of keys: whole or refused."""

from __future__ import annotations

import errno

import pytest

from tsvec.model.errors import CorruptError
from tsvec.storage.access.key_file import KeyEntry, KeyFile
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files, SyncFailedError

ENTRY = KeyEntry(
    id="key_0", name="laptop", tenant="acme", scopes=("read",), sha256="0" * 64, created_at=7
)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "keys.json"
    assert KeyFile.read(path) == KeyFile()
    other = ENTRY.model_copy(update={"id": "key_1", "collections": ("c",), "revoked_at": 9})
    KeyFile(keys=(ENTRY, other)).write(Files(), path)
    assert KeyFile.read(path).keys == (ENTRY, other)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["keys.json"]


def test_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "keys.json"
    KeyFile(keys=(ENTRY,)).write(Files(), path)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CorruptError, match=r"keys\.json is damaged"):
            KeyFile.read(path)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(CorruptError, match=r"keys\.json is damaged"):
            KeyFile.read(path)


def test_a_version_nobody_knows_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    KeyFile.model_construct(version=2, keys=()).write(Files(), path)
    with pytest.raises(CorruptError, match="version"):
        KeyFile.read(path)


def test_a_key_ends_by_whatever_comes_first():
    assert ENTRY.ended_at() is None
    ends = {"expires_at": 5, "revoked_at": 3}
    assert ENTRY.model_copy(update=ends).ended_at() == 3


@pytest.mark.parametrize(
    ("step", "error", "is_new"),
    [("before", OSError, False), ("after", SyncFailedError, True)],
)
def test_a_failing_disk_leaves_one_or_the_other(tmp_path, step, error, is_new):
    path = tmp_path / "keys.json"
    KeyFile().write(Files(), path)
    with pytest.raises(error) as caught:
        KeyFile(keys=(ENTRY,)).write(Files(FailPoints(f"keys.{step}_rename=eio")), path)
    assert getattr(caught.value, "errno", errno.EIO) == errno.EIO
    assert (KeyFile.read(path).keys == (ENTRY,)) == is_new

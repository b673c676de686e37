"""The file of requests is whole or refused."""

from __future__ import annotations

import pytest

from tests.unit.storage.samples import files_with
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import checked_document
from tsvec.storage.retries.requests import FILE_NAME, RequestEntry, RequestFile

ENTRY = RequestEntry(
    key="0" * 32, fingerprint="f" * 32, kept_at=17, effect="made", directory="d", reply='{"a":1}'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE_NAME


def test_what_is_written_is_read(path):
    assert RequestFile.read(path) == RequestFile()
    RequestFile(requests=(ENTRY,)).write(files_with(""), path)
    assert RequestFile.read(path).requests == (ENTRY,)
    assert [found.name for found in path.parent.iterdir()] == [FILE_NAME]


def test_every_byte_of_it_is_checked(path):
    RequestFile(requests=(ENTRY,)).write(files_with(""), path)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CorruptError, match=FILE_NAME):
            RequestFile.read(path)


def test_a_sound_file_of_something_else_is_refused_too(path):
    path.write_bytes(checked_document(b"requests", b'{"version":2}'))
    with pytest.raises(CorruptError, match="version"):
        RequestFile.read(path)


def test_a_failed_write_leaves_the_file_before(path):
    RequestFile(requests=(ENTRY,)).write(files_with(""), path)
    with pytest.raises(OSError, match="No space left"):
        RequestFile().write(files_with("requests.before_rename=enospc"), path)
    assert RequestFile.read(path).requests == (ENTRY,)

"""A collection's directories, and DuckDB for the files in them."""

from __future__ import annotations

import pytest

from tsvec.storage.duck import DuckFiles
from tsvec.storage.layout import CollectionPaths


@pytest.fixture
def paths(tmp_path):
    found = CollectionPaths(tmp_path)
    found.partitions.mkdir()
    found.state.mkdir()
    return found


@pytest.fixture
def duck(tmp_path):
    files = DuckFiles(tmp_path)
    yield files
    files.close()

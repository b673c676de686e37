"""crc32c and sha256."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.storage.checksums import crc32c, sha256_of


def test_crc32c_is_castagnoli():
    assert crc32c(b"123456789") == 0xE306_9283
    assert crc32c(b"") == 0


@given(st.binary(), st.binary())
def test_a_seed_continues(head, tail):
    assert crc32c(tail, crc32c(head)) == crc32c(head + tail)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind):
    assert crc32c(kind(b"123456789")) == 0xE306_9283
    assert crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE306_9283


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 5])
def test_sha256_of_a_file(tmp_path, size):
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()

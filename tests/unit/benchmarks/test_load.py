from __future__ import annotations

from benchmarks.load import read_bodies, write_bodies


def test_bodies_are_read_as_they_were_written(tmp_path):
    bodies = [b"{}", b"", b"x" * 70_000]
    write_bodies(tmp_path / "bodies", bodies)
    assert list(read_bodies(tmp_path / "bodies")) == bodies

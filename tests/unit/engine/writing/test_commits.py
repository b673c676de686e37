"""The rows of requests on their way into one frame."""

from __future__ import annotations

import numpy as np

from tests.unit.engine.rig import NOON, batch_of
from tsvec.engine.writing.commits import NO_FLAGS, Commit, encode_commits
from tsvec.storage.schema import PointFlag, decode_points


def commit_of(rows, first, *, sizes=None, flags=0, replaces=0):
    batch = batch_of(rows, first=first, metadata=b'{"m":1}')
    return Commit(
        batch,
        np.full(rows, first, np.uint32),
        [f"type{first}"] * rows,
        batch.timestamp,
        np.full(rows, replaces, np.uint64),
        np.full(rows, flags, np.uint8),
        None if sizes is None else np.array(sizes),
    )


def test_each_request_ends_at_a_seq_of_its_own():
    """Of rows taken together too, so that a reader of the log can tell the requests apart."""
    commits = [commit_of(2, 0), commit_of(4, 2, sizes=[1, 3]), commit_of(1, 6)]
    rows, payload = encode_commits(commits, 11, NOON)
    found = decode_points(payload, 2).to_pydict()
    assert found["commit"] == [12, 12, 13, 16, 16, 16, 17]
    assert rows.seq.tolist() == list(range(11, 18))
    assert rows.number.tolist() == [0, 0, 2, 2, 2, 2, 6]
    assert rows.timestamp.tolist() == [n * 1_000_000 for n in range(7)]
    assert rows.vector[:, 0].tolist() == list(range(7))
    assert (rows.recorded_at, len(rows)) == (NOON, 7)
    assert found["entity_type"] == ["type0"] * 2 + ["type2"] * 4 + ["type6"]


def test_flags_and_replaced_versions_are_carried_along():
    commits = [commit_of(1, 0, flags=PointFlag.LATE), commit_of(2, 1, replaces=7)]
    found = decode_points(encode_commits(commits, 8, NOON)[1], 2).to_pydict()
    assert (found["flags"], found["replaces"]) == ([PointFlag.LATE, 0, 0], [0, 7, 7])


def test_the_size_of_a_commit_is_that_of_vectors_and_metadata():
    commit = commit_of(3, 0)
    assert (len(commit), commit.bytes) == (3, 3 * (2 * 4 + 7))
    assert len(NO_FLAGS) == 0

"""Attributes as of any change, against a list of what was set when."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tsvec.storage.state import STATE_SCHEMAS
from tsvec.window.attributes import AttributeHistory, AttributesVersion


def version(seq, value, *, at=None):
    return AttributesVersion(seq, 1_000 * seq if at is None else at, value)


def history(*changes):
    """A history of (number, seq, value)."""
    made = AttributeHistory()
    for number, seq, value in changes:
        made.put(number, version(seq, value))
    return made


@pytest.fixture
def changes():
    """Changes of four entities, some of them resets, in order of seq."""
    rng = np.random.default_rng(6)
    seqs = np.cumsum(rng.integers(1, 4, 60)).tolist()
    return [
        (int(rng.integers(4)), seq, None if rng.random() < 0.25 else b'{"n":%d}' % seq)
        for seq in seqs
    ]


def truth(changes, number, seq):
    """What is in force after a change: (seq, value) of the newest version by then."""
    mine = [(at, value) for who, at, value in changes if who == number and at <= seq]
    return mine[-1] if mine else None


def read(made, number, seq):
    found = made.at(number, seq)
    return None if found is None else (found.seq, found.value)


def test_each_change_shows_what_was_in_force_after_it(changes):
    made = history(*changes)
    for seq in range(changes[-1][1] + 3):
        for number in range(5):
            assert read(made, number, seq) == truth(changes, number, seq)


def test_forgetting_leaves_all_that_a_later_change_shows(changes):
    """A reset that is the last word is the same as nothing, once nobody asks for before it."""
    end = changes[-1][1]
    for purged in range(end + 2):
        made = history(*changes)
        made.purge(purged)
        for seq in range(purged, end + 2):
            for number in range(5):
                shown, expected = read(made, number, seq), truth(changes, number, seq)
                last = truth(changes, number, end)
                if shown is None and expected is not None:
                    assert expected[1] is None
                    assert last == expected
                    assert expected[0] <= purged
                else:
                    assert shown == expected


def test_forgetting_keeps_no_more_than_needed():
    made = history((0, 3, b"1"), (0, 5, b"2"), (0, 9, b"3"), (1, 4, b"x"), (1, 6, None))
    made.purge(5)
    assert [row["seq"] for row in made.to_table().to_pylist()] == [5, 9, 4, 6]
    made.purge(8)
    assert [row["seq"] for row in made.to_table().to_pylist()] == [5, 9]
    made.purge(100)
    assert [row["seq"] for row in made.to_table().to_pylist()] == [9]
    made.purge(100)
    assert read(made, 0, 100) == (9, b"3")


def test_a_reset_that_something_followed_is_kept_as_long_as_it_shows():
    made = history((0, 3, b"1"), (0, 5, None), (0, 9, b"3"))
    made.purge(6)
    assert [read(made, 0, seq) for seq in (6, 8, 9)] == [(5, None), (5, None), (9, b"3")]
    made.purge(9)
    assert read(made, 0, 9) == (9, b"3")
    alone = history((0, 5, None))
    alone.purge(4)
    assert read(alone, 0, 5) == (5, None)
    alone.purge(5)
    assert read(alone, 0, 5) is None


def test_what_a_deletion_took_away():
    assert history().before_reset(0) is None
    assert history((0, 3, b"1")).before_reset(0) is None
    assert history((0, 3, None)).before_reset(0) is None
    assert history((0, 3, b"1"), (0, 4, None)).before_reset(0) == b"1"
    assert history((0, 3, b"1"), (0, 4, None), (0, 7, b"2")).before_reset(0) is None
    assert history((0, 2, b"0"), (0, 3, b"1"), (0, 4, None), (1, 5, b"x")).before_reset(0) == b"1"
    gone = history((0, 3, b"1"), (0, 4, None))
    gone.purge(4)
    assert gone.before_reset(0) is None


def test_the_last_change_by_a_time():
    made = AttributeHistory()
    assert made.last_seq_by(10**18) == 0
    for number, seq, at in ((0, 4, 100), (1, 5, 100), (0, 9, 200)):
        made.put(number, version(seq, b"{}", at=at))
    assert [made.last_seq_by(at) for at in (99, 100, 199, 200, 500)] == [0, 5, 5, 9, 9]


def test_a_table_is_the_whole_history(changes):
    made = history(*changes, (9, 900, '{"s":"é漢"}'.encode()))
    table = made.to_table()
    assert table.schema == STATE_SCHEMAS["attributes"]
    assert len(table) == len(changes) + 1
    again = AttributeHistory()
    again.load(table)
    assert again.to_table() == table
    for number in (0, 1, 2, 3, 9):
        for seq in range(0, 901, 7):
            assert again.at(number, seq) == made.at(number, seq)
    empty = AttributeHistory().to_table()
    assert (empty.schema, len(empty)) == (STATE_SCHEMAS["attributes"], 0)
    again = AttributeHistory()
    again.load(pa.concat_tables([empty]))
    assert again.at(0, 5) is None


def test_a_table_does_not_change_with_the_history():
    made = history((0, 1, b"1"))
    table = made.to_table()
    made.put(0, version(2, None))
    assert table.to_pylist() == [{"number": 0, "seq": 1, "recorded_at": 1_000, "value": "1"}]


def test_every_version_tells_its_time(changes):
    made = history(*changes)
    assert sorted(made.times()) == sorted((seq, 1_000 * seq) for _, seq, _ in changes)
    assert AttributeHistory().times() == []

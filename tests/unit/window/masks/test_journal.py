"""The journal against the history that it follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.window.attributes import AttributeHistory, AttributesVersion
from tsvec.window.masks import journal as module
from tsvec.window.masks.journal import AttributeJournal

NUMBERS = 6


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(module, "_CAPACITY_MIN", 4)


def texts_in_force(journal, seq, count=NUMBERS):
    run = journal.run_until(seq)
    return journal.documents(journal.in_force(run, count)).to_pylist()


def expected(history, seq, count=NUMBERS):
    found = [history.at(number, seq) for number in range(count)]
    return [b"{}" if one is None or one.value is None else one.value for one in found]


changes = st.lists(
    st.tuples(st.integers(0, NUMBERS - 1), st.integers(0, 2), st.booleans()), max_size=25
)


@given(changes)
def test_every_change_shows_the_attributes_after_it(changes):
    """Also those before it, however many journals followed each other."""
    history, seq = AttributeHistory(), 1
    for number, step, is_reset in changes:
        seq += step
        value = None if is_reset else b'{"seq":%d}' % seq
        history.put(number, AttributesVersion(seq, 0, value))
    for at in range(seq + 2):
        assert texts_in_force(history.journal, at) == expected(history, at)


@given(changes, st.integers(0, 30))
def test_what_is_forgotten_is_gone_from_the_journal_too(changes, purged):
    history, seq = AttributeHistory(), 1
    for number, step, is_reset in changes:
        seq += step
        history.put(number, AttributesVersion(seq, 0, None if is_reset else b'{"s":%d}' % seq))
    history.purge(purged)
    for at in range(purged, seq + 2):
        assert texts_in_force(history.journal, at) == expected(history, at)
    kept = history.to_table().num_rows
    if purged and history.journal.rows != len(changes) + 1:
        assert history.journal.rows == kept + 1
    again = AttributeHistory()
    again.load(history.to_table())
    for at in range(purged, seq + 2):
        assert texts_in_force(again.journal, at) == expected(history, at)


def test_a_run_stays_as_it_was_while_changes_come():
    journal = AttributeJournal([(1, 0, b"[0]"), (2, 1, b"[1]")])
    run = journal.run_until(9)
    assert journal.append(1, 3, b"[2]")
    assert journal.documents(journal.in_force(run, 3)).to_pylist() == [b"[0]", b"[1]", b"{}"]
    assert journal.documents(slice(0, run.end)).to_pylist() == [b"{}", b"[0]", b"[1]"]
    assert texts_in_force(journal, 9, 3) == [b"[0]", b"[2]", b"{}"]
    assert journal.append(900, 4, None)
    assert texts_in_force(journal, 9, 2) == [b"[0]", b"[2]"]


def test_it_takes_no_more_than_it_can_hold_and_nothing_older():
    journal = AttributeJournal([])
    assert [journal.append(0, seq, b"[]") for seq in (5, 4, 5, 6, 7)] == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert journal.rows == journal.capacity == 4


def test_each_journal_has_a_shelf_of_its_own():
    assert AttributeJournal([]).shelf is not AttributeJournal([]).shelf


def test_rows_can_be_chosen():
    journal = AttributeJournal([(1, 0, b"[0]"), (2, 1, None)])
    assert journal.documents(np.array([2, 1, 0])).to_pylist() == [b"{}", b"[0]", b"{}"]

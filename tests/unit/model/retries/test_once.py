"""A request is known by its key, and told from another by every byte of what it says."""

from __future__ import annotations

import pytest

from tsvec.model.errors import InvalidRequestError
from tsvec.model.retries.once import KEY_LENGTH_MAX, Once, once_given, once_of


@pytest.mark.parametrize("key", ["a", "!", "~", '"quoted"', "k" * KEY_LENGTH_MAX])
def test_visible_ascii_is_a_key(key):
    once = once_of(key, [b"x"])
    assert len(once.key) == len(once.fingerprint) == 16
    assert once == once_of(key, [b"x"])


@pytest.mark.parametrize("key", ["", "a b", "a\n", "ä", "\x7f", "\0", "k" * (KEY_LENGTH_MAX + 1)])
def test_anything_else_is_refused_by_name(key):
    with pytest.raises(InvalidRequestError, match="1 to 255 visible ASCII") as caught:
        once_of(key, [])
    assert caught.value.details[0].field == "Idempotency-Key"


def test_every_byte_of_the_parts_and_where_they_end_counts():
    says = [[b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"", b"abc"], [b"abc", b""], [b"c", b"ab"], []]
    prints = {once_of("k", parts).fingerprint for parts in says}
    assert len(prints) == len(says)
    assert len({once_of("k", parts).key for parts in says}) == 1
    assert once_of("k", [memoryview(b"abc")]) == once_of("k", [b"abc"])


def test_a_key_is_a_text_or_what_was_made_of_it_or_none():
    once = once_of("k", [b"x"])
    assert once_given("k", [b"x"]) == once
    assert once_given(once, iter(())) is once
    assert once_given(None, iter(())) is None
    assert isinstance(once, Once)

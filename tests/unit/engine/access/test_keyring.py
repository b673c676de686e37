"""Keys: made, found by their secrets, refused when revoked or expired, kept."""

from __future__ import annotations

import re

import pytest

from tests.unit.engine.rig import SECOND, open_database
from tsvec.engine.access.keyring import KeyRing
from tsvec.model.access.keys import SCOPES, KeyRequest
from tsvec.model.errors import (
    CorruptError,
    DiskFullError,
    InvalidRequestError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from tsvec.model.limits import Limits
from tsvec.model.times import time_to_datetime


def request(name: str = "device", **fields: object) -> KeyRequest:
    return KeyRequest(name=name, **fields)


@pytest.fixture
def database(opened, clock):
    return opened(clock=clock)


@pytest.fixture
def ring(database) -> KeyRing:
    return database.keys


def test_a_secret_is_known_by_its_holder_alone(ring):
    made = ring.create("acme", request(scopes=["write", "read"], collections=["d", "c", "c"]))
    assert re.fullmatch(r"tsk_[A-Za-z0-9_-]{43}", made.secret)
    assert re.fullmatch(r"key_[0-9a-f]{16}", made.id)
    caller = ring.authenticate(made.secret)
    assert (caller.tenant, caller.key_id) == ("acme", made.id)
    assert caller.scopes == {"read", "write"}
    assert caller.collections == {"c", "d"}
    for wrong in ("", "tsk_", made.secret[:-1], made.secret + "A", made.secret.upper(), "\ud800"):
        with pytest.raises(UnauthorizedError, match="there is no such key"):
            ring.authenticate(wrong)


def test_an_expired_key_is_refused_and_stays_so(ring, clock):
    made = ring.create("acme", request(expires_at=clock.now + 2 * SECOND))
    clock.now += SECOND
    caller = ring.authenticate(made.secret)
    assert ring.is_good(caller)
    clock.now += SECOND
    for _ in range(2):
        with pytest.raises(UnauthorizedError, match="has expired"):
            ring.authenticate(made.secret)
        assert not ring.is_good(caller)
        clock.now -= 10 * SECOND
    with pytest.raises(InvalidRequestError, match="expires_at is not in the future"):
        ring.create("acme", request(expires_at=clock.now))


def test_a_revoked_key_is_refused_and_stays_so(ring, clock):
    made, other = ring.create("acme", request()), ring.create("acme", request())
    caller = ring.authenticate(made.secret)
    first = ring.revoke("acme", made.id)
    clock.now += SECOND
    assert ring.revoke("acme", made.id) == first
    with pytest.raises(UnauthorizedError, match="was revoked"):
        ring.authenticate(made.secret)
    assert not ring.is_good(caller)
    assert ring.is_good(ring.authenticate(other.secret))


def test_a_tenant_has_only_its_own(ring):
    made = ring.create("acme", request())
    for tenant, key_id in (("rival", made.id), ("acme", "key_0")):
        with pytest.raises(NotFoundError, match=f"there is no key '{key_id}'"):
            ring.revoke(tenant, key_id)
    assert ring.page("rival", 10, None).items == []
    with pytest.raises(InvalidRequestError, match="cursor names no key"):
        ring.page("rival", 10, made.id)


def test_they_are_listed_in_the_order_they_were_made(ring):
    ids = [ring.create("acme", request()).id for _ in range(5)]
    ring.create("rival", request())
    seen, cursor = [], None
    while True:
        page = ring.page("acme", 2, cursor)
        seen += [key.id for key in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids


def test_the_last_use_is_remembered_while_the_database_is_open(ring, clock):
    made = ring.create("acme", request())
    assert made.last_used_at is None
    clock.now += SECOND
    ring.authenticate(made.secret)
    [key] = ring.page("acme", 10, None).items
    assert key.last_used_at == time_to_datetime(clock.now)


def test_all_is_there_after_a_restart(database, opened):
    before = [database.keys.create("acme", request(scopes=SCOPES)) for _ in range(3)]
    database.keys.revoke("acme", before[1].id)
    database.close()
    ring = opened().keys
    assert [key.id for key in ring.page("acme", 10, None).items] == [key.id for key in before]
    assert ring.authenticate(before[0].secret).scopes == set(SCOPES)
    with pytest.raises(UnauthorizedError, match="was revoked"):
        ring.authenticate(before[1].secret)


def test_a_database_knows_whether_it_ever_had_a_key(ring, clock):
    assert (ring.is_empty, ring.has_usable) == (True, False)
    one = ring.create("acme", request(expires_at=clock.now + SECOND))
    two = ring.create("acme", request())
    assert (ring.is_empty, ring.has_usable) == (False, True)
    ring.revoke("acme", two.id)
    assert ring.has_usable
    clock.now += SECOND
    assert (ring.is_empty, ring.has_usable) == (False, False)
    assert ring.page("acme", 1, None).items[0].id == one.id


def test_at_the_limit_the_key_that_ended_first_makes_room(opened, clock):
    ring = opened(clock=clock, limits={"keys_max": 3}).keys
    expiring = ring.create("acme", request(expires_at=clock.now + 2 * SECOND))
    revoked, good = (ring.create("acme", request()) for _ in range(2))
    with pytest.raises(TooLargeError, match=r"3 keys exist \(keys_max\); revoke one"):
        ring.create("acme", request())
    ring.create("rival", request())
    clock.now += SECOND
    ring.revoke("acme", revoked.id)
    clock.now += SECOND
    new = ring.create("acme", request())
    assert [key.id for key in ring.page("acme", 10, None).items] == [expiring.id, good.id, new.id]
    assert Limits().keys_max > 3


def test_what_cannot_be_stored_is_not_made(opened):
    database = opened("keys.before_rename=enospc@1")
    with pytest.raises(DiskFullError, match=r"keys\.json"):
        database.keys.create("acme", request())
    assert database.keys.is_empty
    made = database.keys.create("acme", request())
    assert database.keys.authenticate(made.secret)


@pytest.mark.parametrize("rule", ["keys.before_rename=enospc@2", "keys.after_rename=eio@2"])
def test_a_revoked_key_is_refused_even_if_the_disk_is_full(opened, rule):
    """Whoever revokes it hears that a restart would not know, and does it again."""
    database = opened(rule)
    made = database.keys.create("acme", request())
    with pytest.raises((DiskFullError, UnavailableError)):
        database.keys.revoke("acme", made.id)
    with pytest.raises(UnauthorizedError):
        database.keys.authenticate(made.secret)
    database.keys.revoke("acme", made.id)
    database.close()
    with pytest.raises(UnauthorizedError, match="was revoked"):
        opened().keys.authenticate(made.secret)


def test_a_key_of_which_nobody_knows_whether_it_was_stored_is_not_given_out(opened):
    database = opened("keys.after_rename=eio@1")
    with pytest.raises(UnavailableError, match="nobody knows"):
        database.keys.create("acme", request("lost"))
    database.keys.create("acme", request("made"))
    database.close()
    assert [key.name for key in opened().keys.page("acme", 10, None).items] == ["made"]


def test_a_damaged_file_stops_the_database(database, tmp_path):
    database.keys.create("acme", request())
    database.close()
    path = tmp_path / "db" / "keys.json"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptError, match=r"keys\.json is damaged"):
        open_database(tmp_path / "db")


def test_what_a_crash_left_is_removed(database, opened, tmp_path):
    database.close()
    (tmp_path / "db" / "keys.tmp").write_text("half")
    opened()
    assert not (tmp_path / "db" / "keys.tmp").exists()


def test_nothing_is_made_or_revoked_after_the_end(database):
    made = database.keys.create("acme", request())
    database.close()
    for change in (
        lambda: database.keys.create("acme", request()),
        lambda: database.keys.revoke("acme", made.id),
    ):
        with pytest.raises(UnavailableError, match="closed"):
            change()


def test_without_keys_whoever_came_in_may_stay_until_the_first_is_made(ring):
    from tsvec.model.access.caller import Caller

    assert ring.is_good(Caller())
    ring.create("acme", request())
    assert not ring.is_good(Caller())

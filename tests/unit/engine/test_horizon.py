"""Which change a moment of the past means, and how far back one can look."""

from __future__ import annotations

import pytest

from tests.unit.engine.histories import Life, seq_by
from tests.unit.engine.rig import NOON, SECOND
from tests.unit.engine.workshop import values
from tsvec.engine.horizon import cutoff_at, oldest_as_of, seq_at, time_of_seq
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import GoneError, InvalidRequestError
from tsvec.model.times import TIME_MIN_US

DAY = 86_400 * SECOND


def retaining(retention, window="1h"):
    return CollectionConfig(name="c", dim=2, retention=retention, window_size=window)


def test_the_cutoff_is_the_first_instant_of_a_window():
    hour = 3_600 * SECOND
    assert cutoff_at(retaining(None), NOON) == TIME_MIN_US
    for now in (0, 1, hour - 1, hour, NOON, -1, -hour):
        cutoff = cutoff_at(retaining("2h"), now)
        assert cutoff % hour == 0
        assert cutoff <= now - 2 * hour < cutoff + hour
    assert cutoff_at(retaining("36500d"), TIME_MIN_US + 5) == TIME_MIN_US


def told(shop, time):
    return seq_at(shop.store.windows, shop.store.manifest, shop.store.configured, time)


@pytest.mark.parametrize("seed", range(5))
def test_a_recorded_time_means_the_last_change_by_then(workshop, seed):
    """Against a list of all recorded times, at each of them and a microsecond beside it."""
    shop = workshop()
    life = Life(shop, seed)
    for _ in range(3):
        life.live(8)
        times = [at + beside for _, at in life.recorded[1:] for beside in (-1, 0, 1)]
        assert [told(shop, time) for time in times] == [
            seq_by(life.recorded, time) for time in times
        ]
        shop.seal()
        assert [told(shop, time) for time in times] == [
            seq_by(life.recorded, time) for time in times
        ]
        shop.compact()
        shop.restart()
        assert [told(shop, time) for time in times] == [
            seq_by(life.recorded, time) for time in times
        ]


@pytest.mark.parametrize("seed", range(4))
def test_every_state_knows_when_its_last_change_was_recorded(workshop, seed):
    """Whatever that change was, hot, sealed, compacted and after a restart."""
    shop = workshop()
    life = Life(shop, seed)
    life.live(20)
    for rearrange in (shop.seal, shop.compact, shop.restart):
        windows = shop.store.windows
        for seq, at in life.recorded[1:]:
            assert time_of_seq(windows.at(seq), shop.store.configured) == at
            assert shop.store.recorded_time(windows.at(seq)) == at
        rearrange()


def test_nothing_was_recorded_yet(workshop):
    shop = workshop()
    assert time_of_seq(shop.store.windows, shop.store.configured) is None
    assert shop.store.recorded_time(shop.store.windows) == shop.store.windows.recorded_at


@pytest.mark.parametrize("seed", range(4))
def test_what_is_purged_can_no_longer_be_asked_for_and_the_rest_stays_right(workshop, seed):
    """With a horizon of ten seconds, through compactions that throw dead versions away."""
    shop = workshop(config={"history_horizon": "10s"})
    life = Life(shop, seed)
    life.check = lambda: None
    life.restore = life.put
    life.pass_time = lambda: setattr(
        shop.clock, "now", shop.clock.now + int(life.rng.integers(1, 3 * SECOND))
    )
    refused = 0
    for _ in range(5):
        life.live(8)
        shop.compact()
        reach = shop.clock.now - 10 * SECOND
        for seq, shown in life.past.items():
            if seq < seq_by(life.recorded, reach):
                refused += 1
                with pytest.raises(GoneError):
                    shop.read(seq=seq)
            else:
                assert values(shop.read(seq=seq)) == shown
        for seq, at in life.recorded[1:]:
            if at >= max(reach, shop.store.manifest.purged_at):
                assert shop.read(time=at).seq == seq
            elif at < reach:
                with pytest.raises(GoneError):
                    shop.read(time=at)
    assert refused
    assert shop.store.manifest.purged_seq > 0


def test_a_moment_still_to_come_is_refused(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    now = shop.clock.now_us()
    assert shop.read(seq=1).seq == 1
    with pytest.raises(InvalidRequestError, match=r"names change 2, but the last one is 1; wait"):
        shop.read(seq=2)
    assert shop.read(time=now + 1).seq == 1, "the commit was recorded a microsecond later"
    with pytest.raises(InvalidRequestError, match=r"lies in the future: 2027-01-15T08:00:00\.0"):
        shop.read(time=now + 2)
    shop.clock.now += 2
    assert shop.read(time=now + 2).seq == 1


def test_the_horizon_is_reached_to_the_microsecond(workshop):
    shop = workshop(config={"history_horizon": "1d"})
    shop.put(("a", 1, 1))
    first = shop.store.windows.recorded_at
    shop.clock.now = first + 5 * SECOND
    shop.put(("a", 1, 2))
    second = shop.store.windows.recorded_at
    shop.clock.now = first + DAY
    assert shop.read(time=first).seq == shop.read(seq=1).seq == 1
    with pytest.raises(GoneError, match=r"history_horizon of 1d"):
        shop.read(time=first - 1)
    with pytest.raises(GoneError, match=r"as_of: 0 lies beyond"):
        shop.read(seq=0)
    shop.clock.now = second + DAY - 1
    assert shop.read(seq=1).seq == 1, "it still was the present a microsecond ago"
    shop.clock.now += 1
    with pytest.raises(GoneError):
        shop.read(seq=1)
    shop.clock.now += 100 * DAY
    assert shop.read(seq=2).seq == 2, "the present can always be read"


def test_what_was_purged_stays_refused_though_the_horizon_grows_again(workshop):
    shop = workshop(config={"history_horizon": "1s"})
    shop.put(("a", 1, 1))
    shop.clock.now += SECOND
    shop.put(("a", 1, 2))
    shop.clock.now += 5 * SECOND
    shop.put(("b", 1, 1))
    shop.seal()
    shop.compact()
    assert shop.store.windows.rows == 2
    shop.configure(history_horizon="7d")
    purged = shop.store.manifest.purged_seq, shop.store.manifest.purged_at
    assert purged[0] == 2
    with pytest.raises(GoneError):
        shop.read(seq=1)
    with pytest.raises(GoneError):
        shop.read(time=purged[1] - 1)
    assert shop.read(time=purged[1]).seq == 2
    shop.restart()
    with pytest.raises(GoneError):
        shop.read(seq=1)
    assert values(shop.read(seq=2)) == {("a", 1.0, None): 2.0}


def test_an_empty_collection_has_a_past_too(workshop):
    shop = workshop()
    assert shop.read(seq=0).seq == shop.read(time=NOON).seq == shop.read(time=NOON - DAY).seq == 0
    windows, store = shop.store.windows, shop.store
    assert oldest_as_of(windows, store.manifest, store.configured, NOON) == 0


def test_the_oldest_readable_change_is_the_one_in_force_at_the_horizon(workshop):
    shop = workshop(config={"history_horizon": "10s"})
    for second in range(20):
        shop.put(("a", 1, second))
        shop.clock.now += SECOND
    assert shop.store.oldest_as_of() == 11, "recorded ten seconds ago"
    assert values(shop.read(seq=11)) == {("a", 1.0, None): 10.0}
    with pytest.raises(GoneError):
        shop.read(seq=10)

"""What the handlers share."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from tsvec.model.errors import CollectionNotFoundError, UnavailableError
from tsvec.server.services import Services


def test_long_work_runs_in_a_few_threads():
    async def run() -> set[str]:
        services = Services(None, threads=2)
        both = threading.Barrier(2, timeout=20)

        def work(number: int) -> str:
            both.wait()
            return threading.current_thread().name

        names = await asyncio.gather(*(services.run(work, number) for number in range(8)))
        services.close()
        return set(names)

    names = asyncio.run(run())
    assert len(names) == 2
    assert all(name.startswith("tsvec-query") for name in names)


def test_it_can_be_used_after_it_was_closed():
    services = Services(None, threads=1)
    for _ in range(2):
        assert asyncio.run(services.run(sum, [1, 2])) == 3
        services.close()


def test_each_loop_has_its_bridge():
    services = Services(None, threads=1)

    async def bridges():
        return services.bridge, services.bridge

    one, again = asyncio.run(bridges())
    other, _ = asyncio.run(bridges())
    assert one is again
    assert one is not other


class Growing:
    """A database whose only collection gains a change each time it is looked at."""

    def __init__(self, growth: int = 1) -> None:
        self.seq, self.growth, self.looks = 0, growth, 0

    def get_collection(self, name: str) -> SimpleNamespace:
        if name != "c":
            raise CollectionNotFoundError(name)
        self.looks += 1
        self.seq += self.growth
        return SimpleNamespace(seq=self.seq)


def wait_for(database: Growing, seq: int | None, name: str = "c", seconds: float = 20) -> None:
    services = Services(database, threads=1)
    services.wait_seconds_max = seconds
    asyncio.run(services.wait_for(name, seq))


@pytest.mark.parametrize(("seq", "looks"), [(None, 0), (0, 1), (1, 1), (3, 3)])
def test_a_reader_waits_until_its_change_is_visible(seq, looks):
    database = Growing()
    wait_for(database, seq)
    assert database.looks == looks


def test_nobody_waits_for_ever():
    with pytest.raises(UnavailableError, match="change 5 did not come in time") as caught:
        wait_for(Growing(growth=0), 5, seconds=0.01)
    assert [one.field for one in caught.value.details] == ["wait_for_seq"]


def test_waiting_for_a_collection_that_is_not_there():
    with pytest.raises(CollectionNotFoundError):
        wait_for(Growing(), 5, "gone")


def test_waiting_keeps_no_thread_and_no_loop_busy():
    async def run() -> list[None]:
        services = Services(Growing(), threads=1)
        return await asyncio.gather(*(services.wait_for("c", 10) for _ in range(100)))

    assert len(asyncio.run(run())) == 100

"""What the handlers share."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.errors import (
    CollectionNotFoundError,
    DeadlineExceededError,
    UnavailableError,
)
from tsvec.model.settings import Settings
from tsvec.server.load.gate import Load
from tsvec.server.services import Services


def services_over(database: object, threads: int = 1) -> Services:
    return Services(database, Load(Settings(query_threads=threads), lambda: 0))


def test_long_work_runs_in_a_few_threads():
    async def run() -> set[str]:
        services = services_over(None, threads=2)
        both = threading.Barrier(2, timeout=20)

        def work(number: int) -> str:
            both.wait()
            return threading.current_thread().name

        names = await asyncio.gather(*(services.run(work, number) for number in range(8)))
        services.close()
        return set(names)

    names = asyncio.run(run())
    assert len(names) == 2
    assert all(name.startswith("tsvec-change") for name in names)


def test_it_can_be_used_after_it_was_closed():
    services = services_over(None)
    for _ in range(2):
        assert asyncio.run(services.run(sum, [1, 2])) == 3
        services.close()


def test_each_loop_has_its_bridge():
    services = services_over(None)

    async def bridges():
        return services.bridge, services.bridge

    one, again = asyncio.run(bridges())
    other, _ = asyncio.run(bridges())
    assert one is again
    assert one is not other


class Growing:
    """A collection that gains a change each time it is looked at."""

    def __init__(self, growth: int = 1, deadline: Deadline = NEVER, name: str = "c") -> None:
        self.last, self.growth, self.looks = 0, growth, 0
        self.deadline, self.name = deadline, name

    @property
    def seq(self) -> int:
        if self.name != "c":
            raise CollectionNotFoundError(self.name)
        self.looks += 1
        self.last += self.growth
        return self.last


def wait_for(collection: Growing, seq: int | None, seconds: float = 20) -> None:
    services = services_over(None)
    services.wait_seconds_max = seconds
    asyncio.run(services.wait_for(collection, seq))


@pytest.mark.parametrize(("seq", "looks"), [(None, 0), (0, 1), (1, 1), (3, 3)])
def test_a_reader_waits_until_its_change_is_visible(seq, looks):
    collection = Growing()
    wait_for(collection, seq)
    assert collection.looks == looks


def test_nobody_waits_for_ever():
    with pytest.raises(UnavailableError, match="change 5 did not come in time") as caught:
        wait_for(Growing(growth=0), 5, seconds=0.01)
    assert [one.field for one in caught.value.details] == ["wait_for_seq"]


def test_nobody_waits_beyond_the_deadline():
    with pytest.raises(DeadlineExceededError):
        wait_for(Growing(growth=0, deadline=Deadline(5, 1.0, lambda: 5)), 5)


def test_waiting_for_a_collection_that_is_not_there():
    with pytest.raises(CollectionNotFoundError):
        wait_for(Growing(name="gone"), 5)


def test_waiting_keeps_no_thread_and_no_loop_busy():
    async def run() -> list[None]:
        services, growing = services_over(None), Growing()
        return await asyncio.gather(*(services.wait_for(growing, 10) for _ in range(100)))

    assert len(asyncio.run(run())) == 100

"""A bounded pool of threads with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from tsvec.model.bounds.deadline import Deadline
from tsvec.model.errors import DeadlineExceededError, UnavailableError
from tsvec.model.limits import Limits, in_force, limits
from tsvec.server.load import pool as module
from tsvec.server.load.pool import WorkPool

WAIT_SECONDS = 20


class Door:
    """Work that begins, and ends when the door is opened."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.opened = threading.Event()
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.begun.release()
        assert self.opened.wait(WAIT_SECONDS)
        return "done"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.001)


def test_what_would_wait_behind_too_much_is_refused_at_once_and_not_done():
    async def run() -> None:
        pool, door, shed = WorkPool("t", threads=1, waiting_max=2), Door(), Door()
        running = [asyncio.create_task(pool.run(door)) for _ in range(3)]
        await until(lambda: pool.taken == 3)
        for _ in range(5):
            with pytest.raises(UnavailableError, match="2 requests are waiting"):
                await pool.run(shed)
        assert (shed.calls, pool.taken) == (0, 3)
        door.opened.set()
        assert await asyncio.gather(*running) == ["done"] * 3
        await until(lambda: pool.taken == 0)
        assert await pool.run(lambda: "again") == "again"
        pool.close()

    asyncio.run(run())


def test_a_deadline_is_kept_though_the_work_goes_on(monkeypatch):
    """And what is being worked on counts until it has ended."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)

    async def run() -> None:
        pool, door, late = WorkPool("t", threads=1, waiting_max=0), Door(), Door()
        deadline = Deadline(0, 2.0, lambda: 0)
        with pytest.raises(DeadlineExceededError, match="within the 2 s"):
            await pool.run(door, deadline)
        await until(lambda: door.calls == 1 or pool.taken == 0)
        if door.calls:
            with pytest.raises(UnavailableError):
                await pool.run(late, deadline)
        door.opened.set()
        await until(lambda: pool.taken == 0)
        assert late.calls == 0
        pool.close()

    asyncio.run(run())


def test_what_has_not_begun_by_its_deadline_is_not_done(monkeypatch):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)

    async def run() -> None:
        pool, door, late = WorkPool("t", threads=1, waiting_max=5), Door(), Door()
        running = asyncio.create_task(pool.run(door))
        await until(lambda: door.calls == 1)
        with pytest.raises(DeadlineExceededError):
            await pool.run(late, Deadline(0, 1.0, lambda: 0))
        door.opened.set()
        await running
        await until(lambda: pool.taken == 0)
        assert late.calls == 0
        pool.close()

    asyncio.run(run())


def test_work_is_done_under_the_limits_of_who_asks():
    async def run() -> int:
        pool = WorkPool("t", threads=1, waiting_max=0)
        with in_force(Limits(k_max=7)):
            return await pool.run(lambda: limits().k_max)

    assert asyncio.run(run()) == 7


def test_an_error_is_told_and_frees_the_thread():
    async def run() -> None:
        pool = WorkPool("t", threads=1, waiting_max=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 // 0)
            await until(lambda: pool.taken == 0)

    asyncio.run(run())

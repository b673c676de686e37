"""The bridge between the event loop and the writer thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tsvec.engine.collection import Promise
from tsvec.model.errors import UnavailableError
from tsvec.server.bridge import WriteBridge


class Collection:
    """Resolves what was submitted when it is told to, from another thread."""

    def __init__(self) -> None:
        self.futures: list[Promise] = []
        self.failure: Exception | None = None

    def enqueue(
        self, batch: object, on_error: str, promise: Promise, on_conflict: str, once: None
    ) -> None:
        assert (on_error, on_conflict, once) == ("reject_all", "ignore", None)
        if self.failure is not None:
            raise self.failure
        assert promise.set_running_or_notify_cancel()
        assert not promise.done()
        self.futures.append(promise)

    def resolve(self, resolve) -> None:
        def work() -> None:
            for number, future in enumerate(self.futures):
                resolve(number, future)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


async def ask(bridge: WriteBridge, collection: Collection, count: int) -> list[asyncio.Future]:
    answers = [bridge.submit(collection, None, "reject_all", "ignore") for _ in range(count)]
    assert collection.futures == []
    await asyncio.sleep(0)
    return answers


def test_a_turn_of_the_loop_is_handed_over_together():
    async def run() -> None:
        collection, bridge = Collection(), WriteBridge(asyncio.get_running_loop())
        answers = await ask(bridge, collection, 5)
        assert len(collection.futures) == 5
        collection.resolve(lambda number, future: future.set_result(number))
        assert await asyncio.gather(*answers) == [0, 1, 2, 3, 4]

    asyncio.run(run())


def test_a_burst_of_replies_wakes_the_loop_once():
    async def run() -> None:
        loop = asyncio.get_running_loop()
        collection, bridge = Collection(), WriteBridge(loop)
        answers = await ask(bridge, collection, 50)
        wake, woken = loop.call_soon_threadsafe, []
        loop.call_soon_threadsafe = lambda *call: (woken.append(call), wake(*call))[1]
        collection.resolve(lambda number, future: future.set_result(number))
        loop.call_soon_threadsafe = wake
        assert len(await asyncio.gather(*answers)) == 50
        assert len(woken) == 1

    asyncio.run(run())


def test_an_error_goes_to_the_one_who_waits():
    async def run() -> None:
        collection, bridge = Collection(), WriteBridge(asyncio.get_running_loop())
        answers = await ask(bridge, collection, 2)

        def resolve(number: int, future: Promise) -> None:
            if number:
                future.set_result("stored")
            else:
                future.set_exception(UnavailableError("no"))

        collection.resolve(resolve)
        with pytest.raises(UnavailableError):
            await answers[0]
        assert await answers[1] == "stored"
        collection.failure = UnavailableError("closed")
        with pytest.raises(UnavailableError, match="closed"):
            await bridge.submit(collection, None, "reject_all", "ignore")

    asyncio.run(run())


def test_nobody_waits_any_more():
    async def run() -> None:
        collection, bridge = Collection(), WriteBridge(asyncio.get_running_loop())
        answers = await ask(bridge, collection, 2)
        answers[0].cancel()
        collection.resolve(lambda number, future: future.set_result(number))
        assert await answers[1] == 1

    asyncio.run(run())


def test_a_reply_after_the_loop_has_closed_is_let_go():
    collection = Collection()

    async def run() -> None:
        await ask(WriteBridge(asyncio.get_running_loop()), collection, 1)

    asyncio.run(run())
    collection.resolve(lambda number, future: future.set_result(number))
    assert collection.futures[0].done()

"""Questions of one turn of the event loop are asked together."""

from __future__ import annotations

import asyncio

import pytest

from tsvec.model.errors import UnavailableError
from tsvec.server import query_bridge
from tsvec.server.query_bridge import QueryBridge


class Collection:
    """Answers each question with its own text, and remembers what was asked together."""

    def __init__(self, name: str = "c") -> None:
        self.name = name
        self.rounds: list[list[str]] = []
        self.failure: Exception | None = None

    def encode_answers(self, questions: list[str]) -> list[bytes]:
        self.rounds.append(list(questions))
        if self.failure is not None:
            raise self.failure
        return [question.encode() for question in questions]


def run(work):
    async def with_bridge():
        return await work(QueryBridge(asyncio.get_running_loop()))

    return asyncio.run(with_bridge())


def test_one_turn_is_one_round_a_collection():
    first, second = Collection("a"), Collection("b")

    async def work(bridge):
        answers = [bridge.ask(first, "1"), bridge.ask(second, "2"), bridge.ask(first, "3")]
        assert first.rounds == second.rounds == []
        return await asyncio.gather(*answers)

    assert run(work) == [b"1", b"2", b"3"]
    assert (first.rounds, second.rounds) == ([["1", "3"]], [["2"]])


def test_a_full_round_is_asked_at_once_and_another_begins():
    collection = Collection()
    most = query_bridge._QUESTIONS_MAX
    questions = [str(number) for number in range(most + 2)]

    async def work(bridge):
        answers = [bridge.ask(collection, question) for question in questions]
        assert collection.rounds == [questions[:most]]
        return await asyncio.gather(*answers)

    assert run(work) == [question.encode() for question in questions]
    assert collection.rounds == [questions[:most], questions[most:]]


def test_a_later_turn_is_a_new_round():
    collection = Collection()

    async def work(bridge):
        return await bridge.ask(collection, "1"), await bridge.ask(collection, "2")

    assert run(work) == (b"1", b"2")
    assert collection.rounds == [["1"], ["2"]]


def test_a_failure_is_told_to_all_who_wait():
    collection = Collection()
    collection.failure = UnavailableError("closed")

    async def work(bridge):
        return await asyncio.gather(
            bridge.ask(collection, "1"), bridge.ask(collection, "2"), return_exceptions=True
        )

    assert run(work) == [collection.failure, collection.failure]


def test_who_gave_up_waiting_disturbs_nobody():
    collection = Collection()

    async def work(bridge):
        gone, stays = bridge.ask(collection, "1"), bridge.ask(collection, "2")
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert run(work) == b"2"

"""Questions of one turn of the event loop are asked together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from tsvec.model.errors import CorruptError
from tsvec.server import query_bridge
from tsvec.server.query_bridge import QueryBridge


@dataclass(frozen=True)
class Question:
    """A prepared question as far as the bridge looks at it."""

    text: str
    windows: SimpleNamespace


class Collection:
    """Answers each question with its own text, and remembers what was asked together."""

    def __init__(self, history: str = "1") -> None:
        self.history = history
        self.rounds: list[list[str]] = []
        self.bad: set[str] = set()

    def question(self, text: str) -> Question:
        return Question(text, SimpleNamespace(history=self.history))

    def encode_answers(self, questions: list[Question]) -> list[bytes]:
        self.rounds.append([question.text for question in questions])
        for question in questions:
            if question.text in self.bad:
                raise CorruptError(f"{question.text} met a damaged part")
        return [question.text.encode() for question in questions]


def ask(bridge: QueryBridge, collection: Collection, text: str) -> asyncio.Future[bytes]:
    return bridge.ask(collection, collection.question(text))


def run(work):
    async def with_bridge():
        return await work(QueryBridge(asyncio.get_running_loop()))

    return asyncio.run(with_bridge())


def test_one_turn_is_one_round_a_history():
    first, second = Collection("a"), Collection("b")

    async def work(bridge):
        answers = [ask(bridge, first, "1"), ask(bridge, second, "2"), ask(bridge, first, "3")]
        assert first.rounds == second.rounds == []
        return await asyncio.gather(*answers)

    assert run(work) == [b"1", b"2", b"3"]
    assert (first.rounds, second.rounds) == ([["1", "3"]], [["2"]])


def test_a_full_round_is_asked_at_once_and_another_begins():
    collection = Collection()
    most = query_bridge._QUESTIONS_MAX
    questions = [str(number) for number in range(most + 2)]

    async def work(bridge):
        answers = [ask(bridge, collection, question) for question in questions]
        assert collection.rounds == [questions[:most]]
        return await asyncio.gather(*answers)

    assert run(work) == [question.encode() for question in questions]
    assert collection.rounds == [questions[:most], questions[most:]]


def test_a_later_turn_is_a_new_round():
    collection = Collection()

    async def work(bridge):
        return await ask(bridge, collection, "1"), await ask(bridge, collection, "2")

    assert run(work) == (b"1", b"2")
    assert collection.rounds == [["1"], ["2"]]


def test_a_failure_is_told_only_to_who_asked_for_it():
    collection = Collection()
    collection.bad = {"2"}

    async def work(bridge):
        answers = [ask(bridge, collection, text) for text in ("1", "2", "3")]
        return await asyncio.gather(*answers, return_exceptions=True)

    first, second, third = run(work)
    assert (first, third) == (b"1", b"3")
    assert isinstance(second, CorruptError)
    assert collection.rounds == [["1", "2", "3"], ["1"], ["2"], ["3"]]


def test_who_gave_up_waiting_disturbs_nobody():
    collection = Collection()

    async def work(bridge):
        gone, stays = ask(bridge, collection, "1"), ask(bridge, collection, "2")
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert run(work) == b"2"

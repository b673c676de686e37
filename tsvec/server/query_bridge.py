"""Questions that arrive together are answered together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tsvec.engine.collection import Collection, PreparedKnn

_QUESTIONS_MAX = 8
"""Asked of the engine in one call, so that the loop is not held up for long."""


@dataclass(slots=True)
class _Round:
    """Questions about one collection, and who waits for the answers."""

    collection: Collection
    questions: list[PreparedKnn] = field(default_factory=list)
    answers: list[asyncio.Future[bytes]] = field(default_factory=list)

    def finish(self) -> None:
        """Ask, and tell everyone; if asking together fails, each question is asked by itself."""
        try:
            replies = self.collection.encode_answers(self.questions)
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is asked alone
            for question, answer in zip(self.questions, self.answers, strict=True):
                _tell(answer, self._ask_alone(question))
            return
        for answer, reply in zip(self.answers, replies, strict=True):
            _tell(answer, reply)

    def _ask_alone(self, question: PreparedKnn) -> bytes | Exception:
        try:
            return self.collection.encode_answers([question])[0]
        except Exception as error:  # noqa: BLE001 - it is told to who waits
            return error


class QueryBridge:
    """Gathers the cheap questions of one turn of the event loop.

    A small question costs more in calls than in arithmetic, and answering several at once shares
    the calls. A single client waits one turn of the loop longer, some microseconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._rounds: dict[str, _Round] = {}

    def ask(self, collection: Collection, question: PreparedKnn) -> asyncio.Future[bytes]:
        """The reply as JSON, at the end of this turn."""
        answer: asyncio.Future[bytes] = self.loop.create_future()
        if not self._rounds:
            self.loop.call_soon(self._finish_all)
        # By history, not by name: a collection may be deleted and made anew in between.
        history = question.windows.history
        round_ = self._rounds.setdefault(history, _Round(collection))
        round_.questions.append(question)
        round_.answers.append(answer)
        if len(round_.questions) == _QUESTIONS_MAX:
            self._rounds.pop(history).finish()
        return answer

    def _finish_all(self) -> None:
        rounds, self._rounds = self._rounds, {}
        for round_ in rounds.values():
            round_.finish()


def _tell(answer: asyncio.Future[bytes], outcome: bytes | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, bytes):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)

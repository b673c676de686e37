"""Reading kept replies from the log, where each stands before the change it answers."""

from __future__ import annotations

from collections.abc import Iterator

from tsvec.storage.log.frames import Frame, Kind
from tsvec.storage.retries.replies import KeptReply, decode_replies


class AwaitedReplies:
    """Replies whose changes the log has not shown yet.

    A group's replies are written in front of its changes and carry the same recorded time, which no
    other group has. So a reply counts once the log shows a change of that time with the seq it
    names, and never if a crash tore the log in between.
    """

    def __init__(self) -> None:
        self._awaited: list[KeptReply] = []
        self._recorded_at = 0

    @property
    def recorded_at(self) -> int:
        """Recorded time (µs) of the group whose changes are awaited, which no other may be given;
        0 if none are.
        """
        return self._recorded_at if self._awaited else 0

    def see(self, frame: Frame) -> Iterator[KeptReply]:
        """The replies that count as of a frame, the next one of the log."""
        if frame.kind is Kind.IDEMPOTENCY:
            self._awaited = list(decode_replies(bytes(frame.payload)))
            self._recorded_at = frame.recorded_at
        elif not frame.count or frame.recorded_at != self._recorded_at:
            return
        while self._awaited and self._awaited[0].seq <= frame.last_seq:
            yield self._awaited.pop(0)

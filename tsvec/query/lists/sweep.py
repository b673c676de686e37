"""Reading the points of many parts in order of event time, no further than a page needs.

Parts overlap in time, so points come in chunks, and with each chunk how far all parts have been
read. Memory is bounded by the chunks: a part is opened when its turn comes, and hot ones are small.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tsvec.model.bounds.deadline import NEVER as NO_DEADLINE
from tsvec.model.bounds.deadline import Deadline
from tsvec.model.vectors import Int64Array
from tsvec.query.candidates import Source
from tsvec.window.part import Part, Rows, count_rows
from tsvec.window.visible import VisiblePart

_FIRST_ROWS = 256
_ROWS_MAX = 1 << 15
"""Rows of the first chunk of a part and of the largest; each is twice as long as the one before."""

NEVER = 2**62
"""Later than any event time, whichever way time is read."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of `parts[source]`, and how far everything has been read.

    With this chunk all points that come before the event time `bound` have been given; where the
    newest come first, times are counted downwards, so that `bound` is one of them negated.
    """

    source: int
    rows: Rows
    bound: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is read: event times in [start, end), from which end, and perhaps of some entities."""

    parts: Sequence[Part]
    start: int
    end: int
    newest_first: bool
    names: Sequence[str] | None = None
    deadline: Deadline = NO_DEADLINE

    def chunks(self) -> Iterator[Chunk]:
        """The visible rows, as they come."""
        streams = [_Stream(self, part) for part in self.parts]
        ahead = [(stream.next, source) for source, stream in enumerate(streams)]
        heapq.heapify(ahead)
        while ahead:
            self.deadline.check()
            _, source = heapq.heappop(ahead)
            rows = streams[source].read()
            if streams[source].next < NEVER:
                heapq.heappush(ahead, (streams[source].next, source))
            else:
                streams[source].close()
            yield Chunk(source, rows, ahead[0][0] if ahead else NEVER)

    def signed(self, times: Int64Array) -> Int64Array:
        """Event times (µs) as numbers that grow in the order of reading."""
        return -times if self.newest_first else times


@dataclass(slots=True)
class _Stream:
    """The rows of one part, from one end of the range to the other."""

    sweep: Sweep
    part: Part
    next: int = field(init=False)
    _rows: Rows | None = None
    _done: int = 0
    _size: int = _FIRST_ROWS

    def __post_init__(self) -> None:
        sweep, part = self.sweep, self.part
        if sweep.newest_first:
            self.next = -min(part.time_max, sweep.end - 1)
        else:
            self.next = max(part.time_min, sweep.start)

    def read(self) -> Rows:
        """The next visible rows, perhaps none."""
        if self._rows is None:
            self._rows = self._in_order()
        total, begin = count_rows(self._rows), self._done
        self._done = end = min(begin + self._size, total)
        self._size = min(2 * self._size, _ROWS_MAX)
        rows = self._take(begin, end)
        self.next = NEVER
        if end < total:
            coming = self.part.times(self._take(end, end + 1))
            self.next = int(self.sweep.signed(coming)[0])
        if self.sweep.names is None and isinstance(self.part, VisiblePart):
            return self.part.visible(rows)
        return rows

    def close(self) -> None:
        """Let the rows go."""
        self._rows = slice(0, 0)

    def _take(self, begin: int, end: int) -> Rows:
        """Rows [begin, end) in the order of reading."""
        rows = self._rows if self._rows is not None else slice(0, 0)
        if self.sweep.newest_first:
            begin, end = count_rows(rows) - end, count_rows(rows) - begin
        if isinstance(rows, slice):
            return slice(rows.start + begin, rows.start + end)
        return rows[begin:end]

    def _in_order(self) -> Rows:
        """The rows of the range by event time, invisible ones among them unless named."""
        part, sweep = self.part, self.sweep
        start, end = max(sweep.start, part.time_min), sweep.end
        if sweep.names is not None:
            found = [part.rows_of(name, start, end) for name in sweep.names]
            rows: Rows = np.sort(np.concatenate([np.empty(0, np.int64), *found]))
        else:
            rows = (part.part if isinstance(part, VisiblePart) else part).select(start, end)
        if not part.is_hot or not count_rows(rows):
            return rows  # Sealed rows are in order of time.
        order = np.argsort(part.times(rows), kind="stable")
        return Source(part, rows).all_rows()[order]

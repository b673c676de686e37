"""How many columns files of a database are mapped at once: those used lately, up to a limit."""

from __future__ import annotations

import errno
import threading
import weakref
from collections import deque
from collections.abc import Callable

from tsvec.storage.columns import ColumnsFile
from tsvec.storage.files import translated

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What the system says when it has no file, or no mapping, left to give."""


class OpenColumns:
    """The mapped files of a database, at most `limit` of them besides those just being opened.

    Second chance: whoever was asked for since the last look stays, the next one goes. Letting go
    drops a reference only, so arrays handed out keep their map, and its file descriptor, alive.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"at least one columns file must be open, not {limit}")
        self.limit = limit
        self._lock = threading.Lock()
        # Weak: a partition that was dropped must not be kept on disk by its map.
        self._mapped: deque[weakref.ref[LazyColumns]] = deque()

    @property
    def mapped(self) -> int:
        """How many files are mapped and kept."""
        with self._lock:
            alive = [entry() for entry in self._mapped]
            return sum(lazy is not None and lazy.is_mapped for lazy in alive)

    def admit(self, lazy: LazyColumns) -> None:
        """Keep one more file, and let go of those that are too many for it."""
        with self._lock:
            # One chance each: readers that keep using all of them must not keep this going.
            chances = len(self._mapped)
            while len(self._mapped) >= self.limit:
                entry = self._mapped.popleft()
                oldest = entry()
                if oldest is not None and oldest.was_used() and chances > 0:
                    self._mapped.append(entry)
                elif oldest is not None:
                    oldest.let_go()
                chances -= 1
            self._mapped.append(weakref.ref(lazy))

    def let_go(self) -> None:
        """Let go of all files; each is mapped again when it is next asked for."""
        with self._lock:
            while self._mapped:
                oldest = self._mapped.popleft()()
                if oldest is not None:
                    oldest.let_go()


class LazyColumns:
    """The columns of one partition: mapped when they are asked for, let go when others are."""

    __slots__ = ("__weakref__", "_columns", "_lock", "_open", "_open_columns", "_used")

    def __init__(self, open_columns: OpenColumns, open: Callable[[], ColumnsFile]) -> None:  # noqa: A002
        self._open_columns = open_columns
        self._open = open
        self._lock = threading.Lock()
        self._columns: ColumnsFile | None = None
        self._used = False

    def get(self) -> ColumnsFile:
        """The mapped columns.

        Raises what opening them raises; UnavailableError if the system cannot open one more file
        even after all others were let go.
        """
        # Without a lock: eviction may come between any two steps, and each is right by itself.
        columns = self._columns
        if columns is None:
            return self._map()
        self._used = True
        return columns

    @property
    def is_mapped(self) -> bool:
        """Whether the file is mapped at the moment."""
        return self._columns is not None

    def was_used(self) -> bool:
        """Whether `get` was called since this was last asked."""
        used, self._used = self._used, False
        return used

    def let_go(self) -> None:
        """Drop the map; arrays of it that are in use keep it alive."""
        self._columns = None

    def _map(self) -> ColumnsFile:
        # A lock of its own, since opening may rebuild the file: others are not held up by that.
        with self._lock:
            columns = self._columns
            if columns is None:
                with translated("cannot open the columns of a partition"):
                    columns = self._open_one_more()
                self._columns = columns
                self._open_columns.admit(self)
            return columns

    def _open_one_more(self) -> ColumnsFile:
        try:
            return self._open()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
        self._open_columns.let_go()
        return self._open()

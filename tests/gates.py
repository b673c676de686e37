"""Steps that wait for a test, where what the test means depends on who comes first."""

from __future__ import annotations

import threading
from typing import Self

from tsvec.storage.failpoints import FAILPOINTS, FailPoints

WAIT_SECONDS = 20.0


class Gate(FailPoints):
    """Holds whoever comes to a step for the `hit`th time, and all after it, until it is opened.

    Entering the block waits until someone stands there; leaving it lets everyone pass for good.
    The other steps follow `rules`. A gate that nobody opens gives way with an AssertionError.
    """

    def __init__(self, step: str, hit: int = 1, rules: str = "") -> None:
        assert step in FAILPOINTS, f"{step} is no step"
        super().__init__(rules)
        self.hits = 0
        self._step = step
        self._hit = hit
        self._reached = threading.Event()
        self._opened = threading.Event()

    def hit(self, name: str) -> None:
        if name == self._step:
            self.hits += 1
            if self.hits >= self._hit:
                self._reached.set()
                assert self._opened.wait(WAIT_SECONDS), f"nobody opened the gate at {name}"
        super().hit(name)

    def __enter__(self) -> Self:
        assert self._reached.wait(WAIT_SECONDS), f"nobody came to {self._step}"
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.set()

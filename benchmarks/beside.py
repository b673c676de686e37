"""Other work in the same process while something is measured, and the wait for a processor."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], object]) -> Iterator[None]:
    """Does `work` again and again in another thread while the block runs; raises what it raised."""
    stopping = threading.Event()
    errors: list[Exception] = []

    def repeat() -> None:
        try:
            while not stopping.is_set():
                work()
        except Exception as error:  # noqa: BLE001  raised where it can be seen
            errors.append(error)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def processor_waits() -> Iterator[Callable[[], float]]:
    """Reads how many seconds this thread was ready to run and waited for a processor, so far."""
    handle = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    try:
        yield lambda: int(os.pread(handle, 64, 0).split()[1]) / 1e9
    finally:
        os.close(handle)

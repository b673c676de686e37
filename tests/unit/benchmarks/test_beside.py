from __future__ import annotations

import threading

import pytest

from benchmarks.beside import processor_waits, repeating


def test_work_is_repeated_in_another_thread_until_the_block_ends():
    often = threading.Event()
    threads = []

    def work():
        threads.append(threading.get_ident())
        if len(threads) > 3:
            often.set()

    with repeating(work):
        assert often.wait(20)
    done = len(threads)
    assert threading.get_ident() not in threads
    assert len(threads) == done


def test_what_the_work_raises_is_raised():
    raised = threading.Event()

    def fail():
        raised.set()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), repeating(fail):
        assert raised.wait(20)


def test_waits_for_a_processor_only_grow():
    with processor_waits() as waited:
        first = waited()
        sum(range(100_000))
        assert waited() >= first >= 0

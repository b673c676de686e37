"""What the handlers share."""

from __future__ import annotations

import asyncio
import threading

from tsvec.server.services import Services


def test_long_work_runs_in_a_few_threads():
    async def run() -> set[str]:
        services = Services(None, threads=2)
        both = threading.Barrier(2, timeout=5)

        def work(number: int) -> str:
            both.wait()
            return threading.current_thread().name

        names = await asyncio.gather(*(services.run(work, number) for number in range(8)))
        services.close()
        return set(names)

    names = asyncio.run(run())
    assert len(names) == 2
    assert all(name.startswith("tsvec-query") for name in names)


def test_it_can_be_used_after_it_was_closed():
    services = Services(None, threads=1)
    for _ in range(2):
        assert asyncio.run(services.run(sum, [1, 2])) == 3
        services.close()


def test_each_loop_has_its_bridge():
    services = Services(None, threads=1)

    async def bridges():
        return services.bridge, services.bridge

    one, again = asyncio.run(bridges())
    other, _ = asyncio.run(bridges())
    assert one is again
    assert one is not other

from __future__ import annotations

import asyncio

import pytest

from aiocdf import _clock
from aiocdf.auth._finish import ended, finished

pytestmark = pytest.mark.looptime


async def work(seconds: float, done: list[float]) -> str:
    async with asyncio.timeout(60):  # which cancels and uncancels the task that it is in
        await asyncio.sleep(seconds)
    done.append(_clock.monotonic())
    return "result"


async def test_result_and_error() -> None:
    """Without a cancellation it is an await like any other."""
    assert await finished(work(1, [])) == "result"
    with pytest.raises(ZeroDivisionError):
        await finished(asyncio.to_thread(lambda: 1 / 0))


@pytest.mark.parametrize("seconds", [3.0, 29.0])
async def test_cancellation(seconds) -> None:
    """Work whose caller is cancelled goes on to its end, and only then does the cancellation, and no task is left."""
    done = []
    finishing = asyncio.create_task(finished(work(seconds, done)))
    await asyncio.sleep(1)
    finishing.cancel("enough")

    with pytest.raises(asyncio.CancelledError, match="enough"):
        await finishing
    assert done == [_clock.monotonic()]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_end_of_the_loop() -> None:
    """What cancels all tasks at once, as the end of `asyncio.run` does, does not reach the work, and awaits it."""
    done = []
    finishing = asyncio.create_task(finished(work(7, done)))
    await asyncio.sleep(1)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()

    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks == {finishing}
    assert len(done) == 1


async def test_second_cancellation() -> None:
    """Who cancels again, some time later, means it: the work is cancelled too, and has ended when its caller does."""
    done = []
    finishing = asyncio.create_task(finished(work(29, done)))
    for _ in range(2):
        await asyncio.sleep(1)
        finishing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert (_clock.monotonic(), done) == (2.0, [])


async def test_cancellation_that_repeats_itself() -> None:
    """A cancel scope that cancels in each turn of the loop, as anyio's do, means one cancellation."""
    done = []
    finishing = asyncio.create_task(finished(work(5, done)))
    await asyncio.sleep(1)
    while not finishing.done():
        finishing.cancel()
        await asyncio.sleep(0.01)

    assert finishing.cancelled()
    assert len(done) == 1


async def test_caller_who_is_being_cancelled() -> None:
    """A clean-up after a cancellation waits for the work, and a second cancellation ends that."""
    for again, lasts in ((False, 8.0), (True, 3.0)):
        started, done = _clock.monotonic(), []
        inner = asyncio.create_task(finished(work(8, done)))

        async def use(inner=inner) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                inner.cancel()
                await ended(inner)

        outer = asyncio.create_task(use())
        await asyncio.sleep(1)
        outer.cancel()
        await asyncio.sleep(2)
        if again:
            outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer
        assert _clock.monotonic() - started == lasts
        assert bool(done) is not again


async def test_error_after_cancellation(caplog) -> None:
    """An error after the waiter was cancelled is not reported as never retrieved."""

    async def fail():
        await asyncio.sleep(1)
        raise ZeroDivisionError

    finishing = asyncio.create_task(finished(fail()))
    await asyncio.sleep(0.5)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert caplog.records == []

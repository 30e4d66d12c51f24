from __future__ import annotations

import asyncio

import pytest

from aiocdf import _clock
from aiocdf.auth._finish import shielded_with_grace

pytestmark = pytest.mark.looptime


async def work(seconds: float, done: list[float]) -> str:
    await asyncio.sleep(seconds)
    done.append(_clock.monotonic())
    return "result"


async def test_result_and_error() -> None:
    """Without a cancellation it is an await like any other."""
    assert await shielded_with_grace(work(1, [])) == "result"
    with pytest.raises(ZeroDivisionError):
        await shielded_with_grace(asyncio.to_thread(lambda: 1 / 0))


@pytest.mark.parametrize(("seconds", "ends"), [(3.0, True), (7.0, False)])
async def test_cancellation(seconds, ends) -> None:
    """Cancelled work has five seconds to end; the cancellation goes on in any case, and no task is left."""
    done, started = [], _clock.monotonic()
    finishing = asyncio.create_task(shielded_with_grace(work(seconds, done)))
    await asyncio.sleep(1)
    finishing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert bool(done) == ends
    assert _clock.monotonic() - started <= 6.0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_error_after_cancellation(caplog) -> None:
    """What goes wrong when nobody waits any more is not reported as lost."""

    async def fail():
        await asyncio.sleep(1)
        raise ZeroDivisionError

    finishing = asyncio.create_task(shielded_with_grace(fail()))
    await asyncio.sleep(0.5)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert caplog.records == []

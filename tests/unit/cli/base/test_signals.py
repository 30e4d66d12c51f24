from __future__ import annotations

import asyncio
import os
import signal

import pytest

from aiocdf.cli.base.signals import run_until_signal

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def as_before():
    """Give the signals back: a command keeps them, for its process ends with it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_cancels_the_work(number):
    """The work can clean up, undisturbed by further signals, and the signal is told."""
    cleaned = []

    async def work():
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)
            for _ in range(3):
                await asyncio.sleep(0)
            cleaned.append(True)

    assert run_until_signal(work()) is number
    os.kill(os.getpid(), number)
    assert cleaned == [True]


def test_work_that_ends_by_itself_tells_no_signal():
    """Without a signal there is none to tell."""
    assert run_until_signal(asyncio.sleep(0)) is None


def test_error_of_the_work_is_raised():
    """What goes wrong in the work comes out."""

    async def work():
        raise LookupError

    with pytest.raises(LookupError):
        run_until_signal(work())


def test_cancellation_from_within_is_no_signal():
    """Work that cancels itself does not pass for interrupted."""

    async def work():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run_until_signal(work())


def test_ignored_hangup_stays_ignored():
    """Under `nohup` the work outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work():
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(3):
            await asyncio.sleep(0)

    assert run_until_signal(work()) is None

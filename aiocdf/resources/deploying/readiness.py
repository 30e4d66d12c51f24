"""Waits until a function can be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf._wire import deployments
from aiocdf.models.functions import FunctionStatus

if TYPE_CHECKING:
    from aiocdf.models.functions import Function
    from aiocdf.resources.deploying.requests import FunctionRequests

__all__ = ["until_ready"]

# Seconds between two looks, to begin with and at most, and by how much they grow. Deployments take minutes on the
# service, and a second or less on a local server.
_FIRST, _SLOWEST, _GROWTH = 0.1, 15.0, 1.5


async def until_ready(functions: FunctionRequests, key: int | str, seconds: float | None) -> Function:
    """Return a function once it is `Ready`.

    Args:
        functions: Sends the requests.
        key: The function's id or external id.
        seconds: To wait at most; None for no limit.

    Raises:
        FunctionNotReady: Its deployment failed; the end of the build log is in the error's notes.
        WaitExpired: It was not `Ready` in time.
        NotFound: There is no such function.
    """
    began_at, gap = _clock.monotonic(), _FIRST
    while True:
        function = await functions.one(key)
        if function.status is FunctionStatus.Ready:
            return function
        if function.status not in {FunctionStatus.Queued, FunctionStatus.Deploying}:
            raise deployments.failed(key, function)
        left = None if seconds is None else began_at + seconds - _clock.monotonic()
        if left is not None and left <= 0:
            raise deployments.late(key, function, _clock.monotonic() - began_at)
        wait = gap * _clock.jitter(0.9, 1.1)
        await _clock.sleep(wait if left is None else min(wait, left))
        gap = min(gap * _GROWTH, _SLOWEST)

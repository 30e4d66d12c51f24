"""What a durable map needs of the client beyond its public face."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

    from aiocdf._policy.recovery import NotStarted, Started, Uncertain
    from aiocdf.batch.journal import Entry
    from aiocdf.client import Client
    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall

__all__ = ["Found", "call", "find"]

# The allowance in seconds for a changed computer clock, if the uptime does not show it.
_CLOCK_ERROR = 5.0
# What the two clocks of this computer drift by, and the journal's times are rounded by.
_DRIFT = 0.001


@attrs.frozen
class Found:
    """The outcome of an interrupted submission."""

    #: The call that it started; None if it started none.
    call: FunctionCall | None = None
    #: Why it is not known; None if it is.
    doubt: str | None = None


def call(
    client: Client, function: int | str, data: Any, before_post: Callable[[int | None], Awaitable[None]]
) -> CallHandle:
    """Call a function; *before_post* is awaited before each POST, with the id of the session whose nonce it has."""
    return client._call(function, data, before_post=before_post)  # noqa: SLF001 - of this package


async def find(
    client: Client, function: int | str, interrupted: Sequence[Entry], known: Collection[int]
) -> AsyncGenerator[tuple[Entry, Found]]:
    """Yield the outcome of each interrupted submission once it is known, after up to two minutes.

    Args:
        client: An open client.
        function: The function.
        interrupted: What the journal has of them.
        known: Calls of other inputs.
    """
    # With the client open, it is imported already.
    from aiocdf._engine.doubts import Interrupted

    cases = [
        Interrupted(
            function=function,
            session_id=entry.session,
            sent_from=_time(entry.sent_from),
            sent_until=_time(entry.sent_until),
            clock_error=_clock_error(entry),
            starts_after=None if entry.starts_after is None else _time(entry.starts_after),
        )
        for entry in interrupted
    ]
    searches = await client._ready().engine.find(cases, known=known)  # noqa: SLF001 - of this package
    entries = dict(zip(searches, interrupted, strict=True))
    waiting = set(searches)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for search in done:
                yield entries[search], _found(search.result())
    finally:
        for search in searches:
            search.cancel()


def _found(decision: NotStarted | Started | Uncertain) -> Found:
    from aiocdf._policy.recovery import NotStarted, Started

    if isinstance(decision, Started):
        return Found(call=decision.call)
    if isinstance(decision, NotStarted):
        return Found()
    ids = ", ".join(str(each.id) for each in decision.candidates)
    return Found(doubt=decision.reason + (f": it may be call {ids}" if ids else ""))


def _clock_error(entry: Entry) -> float:
    """Return the seconds by which this computer's clock may have been set since an entry was made."""
    if entry.clock is None:
        return _CLOCK_ERROR
    set_by = abs(_clock.wall() - _clock.uptime() - entry.clock)
    return set_by + _DRIFT if set_by < _CLOCK_ERROR else _CLOCK_ERROR


def _time(seconds: float | None) -> datetime:
    return datetime.fromtimestamp(seconds or 0.0, UTC)

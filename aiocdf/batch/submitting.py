"""What a durable map needs of the client beyond its public face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from aiocdf.batch.journal import Entry
    from aiocdf.client import Client
    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall

__all__ = ["Found", "call", "find", "knows_sessions"]


@attrs.frozen
class Found:
    """What became of a submission that was interrupted."""

    #: The call that it started; None if it started none.
    call: FunctionCall | None = None
    #: Why it is not known; None if it is.
    doubt: str | None = None


def knows_sessions(client: Client) -> bool:
    """Tell whether the client says when it sends a POST, and with whose session's nonce."""
    return hasattr(client, "_call")


async def call(
    client: Client, function: int | str, data: Any, before_post: Callable[[int | None], Awaitable[None]]
) -> CallHandle:
    """Call a function; *before_post* is awaited before a POST is sent, with the session's id if that is known."""
    await before_post(None)
    return client.call(function, data)


async def find(
    client: Client, function: int | str, interrupted: Sequence[Entry], known: Collection[int]
) -> list[Found]:
    """Find out which of the submissions that were interrupted have started a call.

    Args:
        client: An open client.
        function: What was called.
        interrupted: What the journal has of them.
        known: Calls of other inputs.
    """
    del client, function, known
    return [Found(doubt="the process ended while it was being submitted") for _ in interrupted]

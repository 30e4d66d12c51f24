"""The end of a call, waited for and shown: progress and logs on stderr, what the function returned on stdout."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiocdf.cli.base.console import open_console, shown_state
from aiocdf.cli.base.output import plain, show_items, write_json
from aiocdf.cli.base.running_servers import option_for
from aiocdf.errors import WaitExpired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall, LogEntry

__all__ = ["show_accepted", "show_logs", "show_outcome"]


async def show_outcome(handle: CallHandle, *, address: str, within: float | None, follow: bool, as_json: bool) -> None:
    """Wait for the end of a call, and show it.

    Args:
        handle: The call.
        address: Of the client that follows it.
        within: Seconds to wait at most; None for no limit.
        follow: Write what the function prints to stderr, as it comes.
        as_json: Write the call with its response to stdout, completed or not, instead of the response alone.

    Raises:
        AiocdfError: The call did not complete, or its end is not known.
    """
    notes, out = open_console(stderr=True), open_console()
    call = await _until_end(handle, notes, address, within=within, follow=follow)
    response = await handle.response() if handle.exception() is None else None
    if as_json:
        write_json(out, plain(call) | {"response": response})
    await handle  # raises what the call ended with
    if not as_json:
        write_json(out, response)
    notes.print(f"Call {call.id} completed after {call.runtime or 0:.1f} s.", style="dim")


async def show_accepted(handle: CallHandle, *, as_json: bool) -> None:
    """Wait until the service has accepted a call, and write its id, or with *as_json* the call."""
    call = await handle.submitted()
    handle.detach()
    write_json(open_console(), plain(call) if as_json else call.id)


async def show_logs(entries: AsyncIterator[LogEntry], form: str) -> None:
    """Write what a call printed to stdout, as lines with their times or as JSON."""
    out = open_console()
    if form == "table":
        async for entry in entries:
            out.out(_line(entry), highlight=False)
    else:
        await show_items(entries, {}, form)


async def _until_end(
    handle: CallHandle, notes: Console, address: str, *, within: float | None, follow: bool
) -> FunctionCall:
    try:
        async with asyncio.timeout(within):
            async with shown_state(notes, lambda: f"{handle.status}, {handle.elapsed:.0f} s"):
                if follow:
                    async for entry in handle.logs(follow=True):
                        notes.out(_line(entry), highlight=False)
                return await handle.wait()
    except TimeoutError:
        raise WaitExpired(f"the call did not end within {within:g} s. {_next(handle, address)}") from None
    except asyncio.CancelledError:
        notes.print(f"Stopped waiting. {_next(handle, address)}", soft_wrap=True)
        raise


def _line(entry: LogEntry) -> str:
    return f"{entry.timestamp.astimezone():%H:%M:%S}  {entry.message}" if entry.timestamp else entry.message


def _next(handle: CallHandle, address: str) -> str:
    """Say what becomes of a call that is no longer waited for."""
    if handle.call_id is None:
        why = f": {handle.reason}" if handle.reason else "."
        return f"The service has not accepted the call yet, and it may never start{why}"
    command = f"aiocdf calls wait {handle.function_id} {handle.call_id}{option_for(address)}"
    return f"The call runs on. To wait for it: {command}"

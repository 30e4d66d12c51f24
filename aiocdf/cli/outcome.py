"""Waits for the end of a call and shows it: progress and logs on stderr, the response on stdout."""

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
    """Wait until a call ends, and show its outcome.

    Args:
        handle: The call.
        address: The address of its client.
        within: The maximum wait in seconds; None for no limit.
        follow: Whether to write the call's log to stderr while it runs.
        as_json: Whether to write the call and its response to stdout, even if it failed, instead of only the response.

    Raises:
        AiocdfError: The call did not complete, or its end is unknown.
    """
    notes, out = open_console(stderr=True), open_console()
    call = await _until_end(handle, notes, address, within=within, follow=follow)
    response = await handle.response() if handle.exception() is None else None
    if as_json:
        write_json(out, plain(call) | {"response": response})
    await handle  # raises the error that the call ended with
    if not as_json:
        write_json(out, response)
    notes.print(f"Call {call.id} completed after {call.runtime or 0:.1f} s.", style="dim")


async def show_accepted(handle: CallHandle, *, as_json: bool) -> None:
    """Wait until the service has accepted a call, and write its id; with *as_json*, the call."""
    call = await handle.submitted()
    handle.detach()
    write_json(open_console(), plain(call) if as_json else call.id)


async def show_logs(entries: AsyncIterator[LogEntry], form: str) -> None:
    """Write the log of a call to stdout, as lines with times or as JSON."""
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
    """Return text that says how to follow the call further."""
    if handle.call_id is None:
        why = f": {handle.reason}" if handle.reason else "."
        return f"The service has not accepted the call yet, and it may never start{why}"
    command = f"aiocdf calls wait {handle.function_id} {handle.call_id}{option_for(address)}"
    return f"The call continues. To wait for it: {command}"

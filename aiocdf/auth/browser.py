"""The user's browser."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["open_browser"]


async def open_browser(url: str) -> bool:
    """Open *url* in the user's browser; tell whether there is one.

    Some browsers return only when they are closed. So this is a daemon thread of its own: one of the event loop's pool
    would keep the process from ending.
    """
    import webbrowser  # needed by few, and not at the start

    loop = asyncio.get_running_loop()
    opened: asyncio.Future[bool] = loop.create_future()

    def report(*, success: bool) -> None:
        if not opened.done():
            opened.set_result(success)

    def run() -> None:
        try:
            success = webbrowser.open(url)
        except (OSError, webbrowser.Error):
            success = False
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: report(success=success))

    threading.Thread(target=run, name="aiocdf browser", daemon=True).start()
    return await opened

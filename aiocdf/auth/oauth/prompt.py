"""How a user is shown where to sign in: on the terminal, or in the browser."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DevicePrompt", "notify", "open_browser", "print_prompt", "print_url"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class DevicePrompt:
    """What a user is told, who signs in on another device."""

    #: What to enter there.
    user_code: str
    #: The page to open.
    verification_uri: str
    #: The same page with the code in it, such as for a QR code; None where the provider has none.
    verification_uri_complete: str | None = None
    #: Seconds that the code is good for.
    expires_in: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        return f"To sign in, open {self.verification_uri} and enter the code {self.user_code}"


async def notify(callback: Callable[[T], object], value: T) -> None:
    """Call a callback that the user gave, and await its result if it is awaitable."""
    result = callback(value)
    if inspect.isawaitable(result):
        await result


def print_prompt(prompt: DevicePrompt) -> None:
    """Tell the user on the terminal."""
    print(prompt, file=sys.stderr, flush=True)  # noqa: T201 - where there is nothing but a terminal


def print_url(url: str) -> None:
    """Tell the user on the terminal."""
    print(f"To sign in, open {url}", file=sys.stderr, flush=True)  # noqa: T201 - see above


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

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
    """What to show to a user who signs in on another device."""

    #: What to enter there.
    user_code: str
    #: The page to open.
    verification_uri: str
    #: The same page with the code in it, such as for a QR code; None if the provider does not have one.
    verification_uri_complete: str | None = None
    #: The lifetime of the code, in seconds.
    expires_in: float

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"To sign in, open {self.verification_uri} and enter the code {self.user_code}"


async def notify(callback: Callable[[T], object], value: T) -> None:
    """Call a callback that the user gave, and await its result if it is awaitable."""
    result = callback(value)
    if inspect.isawaitable(result):
        await result


def print_prompt(prompt: DevicePrompt) -> None:
    """Print what to do to stderr."""
    print(prompt, file=sys.stderr, flush=True)  # noqa: T201 - the default for programs on a terminal


def print_url(url: str) -> None:
    """Print the address to stderr."""
    print(f"To sign in, open {url}", file=sys.stderr, flush=True)  # noqa: T201 - see above


async def open_browser(url: str) -> bool:
    """Open *url* in the user's browser; return whether that worked.

    Some browser commands return only when the browser is closed. This uses a daemon thread, because a thread of the
    event loop's pool would keep the process from exiting.
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

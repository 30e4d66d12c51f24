"""How a user is told where to sign in."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DevicePrompt", "print_prompt", "print_url", "tell"]

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


async def tell(callback: Callable[[T], object], value: T) -> None:
    """Call a user's function, or await it."""
    result = callback(value)
    if inspect.isawaitable(result):
        await result


def print_prompt(prompt: DevicePrompt) -> None:
    """Tell the user on the terminal."""
    print(prompt, file=sys.stderr, flush=True)  # noqa: T201 - where there is nothing but a terminal


def print_url(url: str) -> None:
    """Tell the user on the terminal."""
    print(f"To sign in, open {url}", file=sys.stderr, flush=True)  # noqa: T201 - see above

"""Finds functions' ids by their external ids: looked up once, remembered until the service no longer knows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiocdf.errors import AiocdfError, ClientClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf._engine.tasks import Tasks
    from aiocdf.resources.functions import Functions

__all__ = ["Resolver"]


class Resolver:
    """Looks functions up.

    Args:
        functions: The resource.
        tasks: What the look-ups run in.
    """

    def __init__(self, functions: Functions, tasks: Tasks) -> None:
        self._functions = functions
        self._tasks = tasks
        self._known: dict[str, int] = {}
        self._waiting: dict[str, list[Callable[[int | AiocdfError], None]]] = {}

    def resolve(self, function: int | str, tell: Callable[[int | AiocdfError], None]) -> None:
        """Call *tell* with the function's id, or with why there is none: at once where it is known."""
        if isinstance(function, int):
            tell(function)
        elif function in self._known:
            tell(self._known[function])
        elif function in self._waiting:
            self._waiting[function].append(tell)
        else:
            self._waiting[function] = [tell]
            self._tasks.spawn(self._look_up(function))

    def learn(self, function: str, found: int) -> None:
        """Remember that *function* has this id now."""
        self._known[function] = found

    def forget(self, function: str) -> None:
        """Look *function* up again the next time."""
        self._known.pop(function, None)

    async def _look_up(self, function: str) -> None:
        found: int | AiocdfError = AiocdfError(f"function {function!r} was not looked up, by a fault of aiocdf")
        try:
            found = self._known[function] = (await self._functions.retrieve(function)).id
        except AiocdfError as error:
            found = error
        except asyncio.CancelledError:
            found = ClientClosed(
                f"function {function!r} was not looked up: the event loop ended before the client was closed. "
                "Use `async with client`, or `await client.aclose()`."
            )
            raise
        finally:
            # Even after a fault of ours: whoever waits here would wait for ever.
            for tell in self._waiting.pop(function):
                tell(found)

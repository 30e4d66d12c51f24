"""One call, for programs without an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiocdf.client import Client
from aiocdf.errors import WrongState

if TYPE_CHECKING:
    from aiocdf.models.functions import Function

__all__ = ["run"]

T = TypeVar("T")


@overload
def run(function: int | str | Function, data: object = None, *, Output: None = None, **client: Any) -> Any: ...


@overload
def run(function: int | str | Function, data: object = None, *, Output: type[T], **client: Any) -> T: ...


def run(function: int | str | Function, data: object = None, *, Output: Any = None, **client: Any) -> Any:
    """Call a function, wait until it has ended, and return its response; for scripts without an event loop.

    It opens and closes a client. For more than one call, use a `Client`, which keeps its connections and tokens.

    Args:
        function: An id, an external id, or a `Function`.
        data: The `data` argument of `handle()`; None for an empty object.
        Output: The type to build from the response; None for plain JSON values.
        client: Arguments for `Client.from_env`.

    Raises:
        WrongState: An event loop is running, as in a notebook.
        AiocdfError: See `Client.from_env`, `Client.call` and `CallHandle.response`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_run(function, data, Output, client))
    raise WrongState(
        "an event loop is running, and aiocdf.run would block it: use `await client.call(...).response()` instead"
    )


async def _run(function: int | str | Function, data: object, output: Any, arguments: dict[str, Any]) -> Any:
    async with Client.from_env(**arguments) as client:
        return await client.call(function, data).response(output)

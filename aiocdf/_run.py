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
    """Call a function, wait for its end, and return what it returned; for scripts without an event loop.

    It opens a client and closes it again. For more than one call use a `Client`, which keeps its connections and tokens.

    Args:
        function: An id, an external id, or a `Function`.
        data: What `handle()` gets as its `data`.
        Output: The type to build from what it returns; None for plain JSON values.
        client: Arguments for `Client.from_env`.

    Raises:
        WrongState: An event loop runs here, as in a notebook.
        AiocdfError: As `client.call` and `handle.response` raise.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_run(function, data, Output, client))
    raise WrongState(
        "an event loop runs here, and aiocdf.run would block it: use `await client.call(...).response()` instead"
    )


async def _run(function: int | str | Function, data: object, output: Any, arguments: dict[str, Any]) -> Any:
    async with Client.from_env(**arguments) as client:
        return await client.call(function, data).response(output)

"""Requests for a function that the caller may name by its external id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from aiocdf.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Resolve", "with_function_id"]

P = ParamSpec("P")
T = TypeVar("T")


class Resolve(Protocol):
    """Returns the id of a function; with *refresh*, it looks up a known id again."""

    def __call__(self, function: int | str, *, refresh: bool = False) -> Awaitable[int]: ...


async def with_function_id(
    resolve: Resolve,
    function: int | str,
    act: Callable[Concatenate[int, P], Awaitable[T]],
    *args: P.args,
    **given: P.kwargs,
) -> T:
    """Return what *act* returns for the function's id, which changes when the function is deployed again.

    Args:
        resolve: Returns the id.
        function: The id or external id.
        act: Sends the request. It is called again with the new id if the service no longer knows the old one.
        args: Further arguments of *act*.
        given: Further keyword arguments of *act*.

    Raises:
        NotFound: The service does not know the function, or another object that the request names.
    """
    found = await resolve(function)
    try:
        return await act(found, *args, **given)
    except NotFound:
        if isinstance(function, int) or (current := await resolve(function, refresh=True)) == found:
            raise
    return await act(current, *args, **given)

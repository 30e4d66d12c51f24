"""Requests about a function that may be known by its external id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from aiocdf.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Resolve", "with_function_id"]

P = ParamSpec("P")
T = TypeVar("T")


class Resolve(Protocol):
    """Returns the id of a function; *anew* asks the service also for one that is known."""

    def __call__(self, function: int | str, *, anew: bool = False) -> Awaitable[int]: ...


async def with_function_id(
    resolve: Resolve,
    function: int | str,
    act: Callable[Concatenate[int, P], Awaitable[T]],
    *args: P.args,
    **given: P.kwargs,
) -> T:
    """Return what *act* returns for the function's id: a function that was deployed anew has a new one.

    Args:
        resolve: Returns the id.
        function: The id or external id.
        act: Sends the request, again if the service no longer knows the id.
        args: Further arguments of *act*.
        given: Likewise, by name.

    Raises:
        NotFound: The service does not know the function, or something else that the request names.
    """
    found = await resolve(function)
    try:
        return await act(found, *args, **given)
    except NotFound:
        if isinstance(function, int) or (current := await resolve(function, anew=True)) == found:
            raise
    return await act(current, *args, **given)

"""A function of a project with the types of its data and its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, is_typeddict

import attrs

from aiocdf.errors import InvalidType

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.config import Retry
    from aiocdf.handle import CallHandle
    from aiocdf.secret import Secret

__all__ = ["BoundFunction"]

In = TypeVar("In")
Out = TypeVar("Out")


@attrs.frozen(kw_only=True)
class BoundFunction(Generic[In, Out]):
    """A function as something to call; made by `client.function`.

    `await fn(data)` is what the function returned; `fn.call(data)` is the handle.
    """

    #: The client's `call`.
    _call: Callable[..., CallHandle] = attrs.field(repr=False)
    #: Its id or external id.
    function: int | str
    input: type[In] | None
    output: type[Out] | None

    def call(
        self,
        data: In | None = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
    ) -> CallHandle:
        """Call the function and return the handle; arguments as of `Client.call`.

        Raises:
            InvalidType: *data* is no `Input`.
        """
        if self.input is not None and not _is_a(data, self.input):
            raise InvalidType(
                f"function {self.function!r} takes {self.input.__name__} as its data, not {type(data).__name__}"
            )
        return self._call(self.function, data, nonce=nonce, timeout=timeout, retry=retry)

    async def __call__(
        self,
        data: In | None = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the call at the service, not this coroutine
        retry: bool | Retry = False,
    ) -> Out:
        """Call the function and return what it returned, as an `Output`; arguments as of `Client.call`."""
        handle = self.call(data, nonce=nonce, timeout=timeout, retry=retry)
        return cast("Out", await handle.response(self.output))


def _is_a(data: object, kind: type[Any]) -> bool:
    """Tell whether *data* is a *kind*; of generics and unions the service's side has to judge."""
    if is_typeddict(kind):
        return isinstance(data, dict)
    return not isinstance(kind, type) or isinstance(data, kind)

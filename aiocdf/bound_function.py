"""A function of a project with the types of its data and its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import attrs

from aiocdf._wire.converter import plain_input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import TypeForm

    from aiocdf.config import Retry
    from aiocdf.handle import CallHandle
    from aiocdf.secret import Secret

__all__ = ["BoundFunction"]

In = TypeVar("In")
Out = TypeVar("Out")


@attrs.frozen(kw_only=True)
class BoundFunction(Generic[In, Out]):
    """A function that you can call like a Python coroutine function; made by `client.function`.

    `await fn(data)` returns what the function returned; `fn.call(data)` returns the handle.
    """

    #: The client's `call`.
    _call: Callable[..., CallHandle] = attrs.field(repr=False)
    #: The function's id or external id.
    function: int | str
    input: TypeForm[In] | None
    output: TypeForm[Out] | None

    def call(
        self,
        data: In | Mapping[str, Any] | None = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
    ) -> CallHandle:
        """Call the function and return the handle.

        Args:
            data: An `Input`, or a mapping with the same members, as Python or JSON values.
            nonce: As in `Client.call`.
            timeout: As in `Client.call`.
            retry: As in `Client.call`.

        Raises:
            InvalidType: *data* does not fit `Input`; the message gives the JSON path and both types.
            UsageError: An argument is not valid, or the client is not open.
            ClientClosed: The client is closed.
        """
        plain = data if self.input is None else plain_input(data, self.input, what=f"function {self.function!r}")
        return self._call(self.function, plain, nonce=nonce, timeout=timeout, retry=retry)

    async def __call__(
        self,
        data: In | Mapping[str, Any] | None = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the call at the service, not this coroutine
        retry: bool | Retry = False,
    ) -> Out:
        """Call the function and return its response as an `Output`; see `call` for the arguments.

        Raises:
            CallError: The call did not complete.
            AiocdfError: See `call` and `CallHandle.response`.
        """
        handle = self.call(data, nonce=nonce, timeout=timeout, retry=retry)
        return cast("Out", await handle.response(self.output))

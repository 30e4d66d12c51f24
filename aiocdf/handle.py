"""A call of a function as an asyncio future."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import attrs

from aiocdf._wire.converter import check_type
from aiocdf.errors import AiocdfError, CallFailed, CallTimedOut, WrongState
from aiocdf.models.call_ref import CallRef
from aiocdf.models.calls import FunctionCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from typing_extensions import TypeForm

    from aiocdf.models.calls import LogEntry

__all__ = ["Awaited", "Backend", "CallHandle"]

T = TypeVar("T")


class Backend(Protocol):
    """The call behind a handle; all handles on the same call share it."""

    @property
    def name(self) -> str:
        """The function as the caller named it."""

    @property
    def function_id(self) -> int | None:
        """The function's numeric id; None until it is known."""

    @property
    def call_id(self) -> int | None:
        """The call's id; None until the service has accepted the call."""

    @property
    def status(self) -> str:
        """The last known state of the call."""

    @property
    def elapsed(self) -> float:
        """Seconds since the call started, or since it was made if it has not started."""

    @property
    def reason(self) -> str | None:
        """The trouble that the call waits for; None if there is none."""

    @property
    def ref(self) -> CallRef | None:
        """The reference of the call; None until it has an id."""

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The earlier calls that failed and were repeated."""

    def detach(self, handle: CallHandle, *, cancel_queued: bool) -> str:
        """Detach *handle*, and return a message on the call; with *cancel_queued*, a call in the queue never starts."""

    async def accepted(self) -> FunctionCall:
        """Return the call as the service accepted it."""

    async def response(self, Output: Any) -> Any:
        """Return what the ended call returned."""

    def logs(self, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Yield what the call printed."""


class Awaited(asyncio.Future[T]):
    """A future that many tasks can wait for: cancelling one wait affects neither the future nor the other waits.

    With the stdlib's `Future.__await__`, a cancelled task cancels the future. And with one done-callback per waiter,
    cancelling many waiters takes quadratic time, because a future searches all its callbacks to remove one.
    """

    __slots__ = ("_waiters",)

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._waiters: dict[asyncio.Future[None], None] | None = None

    def until_done(self) -> Generator[Any, None, None]:
        """Wait on an inner future until this one is done, with any outcome.

        Raises:
            WrongState: The future belongs to another event loop.
        """
        if self.done():
            return
        loop = asyncio.get_running_loop()
        if loop is not self.get_loop():
            raise WrongState(f"{self!r} belongs to another event loop: await it there, or attach its ref here")
        waiter: asyncio.Future[None] = loop.create_future()
        if self._waiters is None:
            self._waiters = {}
            self.add_done_callback(_wake)
        self._waiters[waiter] = None
        try:
            yield from waiter
        finally:
            if self._waiters is not None:
                self._waiters.pop(waiter, None)
                if not self._waiters:
                    self._waiters = None
                    self.remove_done_callback(_wake)

    async def wait_until_done(self) -> None:
        """Wait until the future is done, as a coroutine."""
        await _Wait(self)


class _Wait:
    """Makes the generator `until_done` awaitable."""

    __slots__ = ("_future",)

    def __init__(self, future: Awaited[Any]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.until_done()


def _wake(future: asyncio.Future[Any]) -> None:
    """Wake all waiters of an `Awaited` that is done."""
    waiters, future._waiters = future._waiters, None  # type: ignore[attr-defined]  # noqa: SLF001 - an `Awaited`
    for waiter in waiters or ():
        if not waiter.done():
            waiter.set_result(None)


class CallHandle(Awaited[FunctionCall]):
    """A call as an asyncio future: it starts without being awaited, and is done when the call has ended.

    `client.call` and `client.attach` return handles. `await handle` returns the ended `FunctionCall`, or raises a
    `CallError` or another `AiocdfError`. Handles work in `asyncio.gather`, `wait`, `wait_for`, `shield` and
    `as_completed`. For a `TaskGroup`, use a coroutine method: `group.create_task(handle.wait())`.

    Tasks that await a handle are independent of each other and of the call. Cancelling such a task, or an
    `asyncio.timeout` around the await, cancels neither the call nor the handle.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Backend, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._call = call

    @property
    def function_id(self) -> int | None:
        """The function's numeric id; None until an external id has been looked up."""
        return self._call.function_id

    @property
    def call_id(self) -> int | None:
        """The call's id; None until the service has accepted it."""
        return self._call.call_id

    @property
    def status(self) -> str:
        """The state of the call: `Queued`, `Submitting`, the service's last status, or `Unknown`; no I/O."""
        return self._call.status

    @property
    def reason(self) -> str | None:
        """The trouble that keeps the call from starting, such as an outage; None for a call that runs or waits its turn."""
        return self._call.reason

    @property
    def elapsed(self) -> float:
        """Seconds that the call has run so far, or ran in total; for a call that has not started, how long it waits."""
        return self._call.elapsed

    @property
    def ref(self) -> CallRef:
        """The reference of the call, with which this or another process can attach to it.

        Raises:
            WrongState: The service has not accepted the call yet; `await handle.submitted()` first.
        """
        ref = self._call.ref
        if ref is None:
            raise WrongState(f"{self!r} has no id yet: await handle.submitted() first")
        return ref

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The earlier calls that failed and were repeated because of `retry=Retry(...)`, in order."""
        return self._call.attempts

    def follow(self, call: Backend) -> None:
        """Use another record of the same call from now on; for the engine."""
        self._call = call

    def __await__(self) -> Generator[Any, None, FunctionCall]:
        """Wait until the call has ended, and return it.

        Raises:
            CallError: The call failed, timed out or was lost; or it is unknown whether it started.
            AiocdfError: The call did not start.
        """
        yield from self.until_done()
        return self.result()

    __iter__ = __await__

    async def wait(self) -> FunctionCall:
        """Wait until the call has ended, and return it with any status: a failure of the function is not raised.

        Raises:
            AiocdfError: The call did not start, or its end is unknown.
        """
        await self.wait_until_done()
        error = None if self.cancelled() else self.exception()
        if isinstance(error, CallFailed | CallTimedOut) and error.call is not None:
            return error.call
        return self.result()

    async def submitted(self) -> FunctionCall:
        """Wait until the service has accepted the call, and return the accepted call.

        Raises:
            AiocdfError: The call did not start.
        """
        try:
            return await self._call.accepted()
        except AiocdfError:
            # The caller gets the error here: suppress asyncio's "exception was never retrieved" report.
            if self.done() and not self.cancelled():
                self.exception()
            raise

    @overload
    async def response(self, Output: None = None) -> Any: ...

    @overload
    async def response(self, Output: type[T]) -> T: ...

    @overload
    async def response(self, Output: TypeForm[T]) -> T: ...

    async def response(self, Output: Any = None) -> Any:
        """Wait until the call has ended, and return what the function returned.

        Args:
            Output: The type to build, such as an attrs class or `list[int]`; None for plain JSON values.

        Raises:
            CallError: The call did not complete.
            DecodeError: The response does not fit *Output*; the error has the JSON path and both types.
            InvalidType: *Output* is not a type that aiocdf can build from JSON.
            AiocdfError: The call did not start, or its response was not read.
        """
        check_type(Output, "Output")
        await self
        return await self._call.response(Output)

    def logs(self, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        """Yield the lines that the call has printed.

        Args:
            follow: Whether to continue until the call ends. By default, it stops after the present lines.

        Raises:
            AiocdfError: The call did not start, or the logs were not read.
        """
        return self._call.logs(follow=follow)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the handle. A queued call never starts; a started call continues, because the service cannot stop it.

        Other handles on the same call are not affected: while one is left, a queued call still starts.

        Args:
            msg: The message of the `CancelledError`; by default, it describes what happens to the call.
        """
        return self._detach(msg, cancel_queued=True)

    def detach(self) -> bool:
        """Stop tracking the call, and cancel the handle only: a queued call still starts, a running call continues."""
        return self._detach(None, cancel_queued=False)

    def _detach(self, msg: Any | None, *, cancel_queued: bool) -> bool:
        if self.done():
            return False
        message = self._call.detach(self, cancel_queued=cancel_queued)
        return super().cancel(msg=message if msg is None else msg)

    def __repr__(self) -> str:
        """Show the function, the call, its status and its age."""
        which = f"call {self.call_id} of " if self.call_id is not None else ""
        state = "cancelled, " if self.cancelled() else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"<CallHandle {which}function {self._call.name}: {state}{self.status}, {self.elapsed:.1f} s{reason}>"

    def _repr_html_(self) -> str:
        """Show the call as a small table in a notebook."""
        from html import escape  # slow to import, and only notebooks need it

        rows = {
            "function": self._call.name,
            "call": "not accepted yet" if self.call_id is None else str(self.call_id),
            "status": self.status,
            "elapsed": f"{self.elapsed:.1f} s",
        }
        if self.done() and not self.cancelled() and (error := self._exception_shown()):
            rows["error"] = error
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
        return f"<table><caption>aiocdf call</caption>{cells}</table>"

    def _exception_shown(self) -> str:
        """Return the error as text, without marking it as retrieved: showing it in a notebook does not handle it."""
        error = self._exception
        return "" if error is None else str(error)

    def __reduce__(self) -> tuple[Callable[[], CallRef], tuple[()]]:
        """Pickle the handle as its `CallRef`, which `client.attach` accepts."""
        return partial(CallRef, **attrs.asdict(self.ref)), ()

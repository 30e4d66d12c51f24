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
    """What a handle looks at: one call, shared by all handles on it."""

    @property
    def name(self) -> str:
        """What the caller called the function."""

    @property
    def function_id(self) -> int | None:
        """The function's numeric id, once it is known."""

    @property
    def call_id(self) -> int | None:
        """The call's id, once the service has accepted it."""

    @property
    def status(self) -> str:
        """Where the call stands, as far as we know."""

    @property
    def elapsed(self) -> float:
        """Seconds the call has run, or has waited if it does not run yet."""

    @property
    def reason(self) -> str | None:
        """Why the call waits, if that is trouble."""

    @property
    def ref(self) -> CallRef | None:
        """Where to find the call again, once it has an id."""

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The calls before this one that were repeated."""

    def detach(self, handle: CallHandle, *, withdraw: bool) -> str:
        """Let go of *handle*; with *withdraw*, a call that still waits never starts. Say what became of the call."""

    async def accepted(self) -> FunctionCall:
        """Return the call as the service accepted it."""

    async def response(self, Output: Any) -> Any:
        """Return what the ended call returned."""

    def logs(self, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Give what the call printed."""


class Awaited(asyncio.Future[T]):
    """A future that any number of tasks wait for on their own: cancelling one wait leaves the future and the others alone.

    The stdlib's `Future.__await__` would let a cancelled task cancel the future. And a callback a waiter, which the future
    looks for among all others when the waiter gives up, would make many that give up together quadratic.
    """

    __slots__ = ("_waiters",)

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._waiters: dict[asyncio.Future[None], None] | None = None

    def until_done(self) -> Generator[Any, None, None]:
        """Wait on an inner future of one's own until this one is done, whatever its outcome.

        Raises:
            WrongState: The future belongs to another event loop.
        """
        if self.done():
            return
        loop = asyncio.get_running_loop()
        if loop is not self.get_loop():
            raise WrongState(f"{self!r} belongs to another event loop: await it there, or attach to its ref here")
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
        """Wait until it is done, as `until_done` does."""
        await _Wait(self)


class _Wait:
    """What a coroutine awaits to wait as a future's own `__await__` does."""

    __slots__ = ("_future",)

    def __init__(self, future: Awaited[Any]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.until_done()


def _wake(future: asyncio.Future[Any]) -> None:
    """Wake all who wait for an `Awaited`, which is done."""
    waiters, future._waiters = future._waiters, None  # type: ignore[attr-defined]  # noqa: SLF001 - it is one
    for waiter in waiters or ():
        if not waiter.done():
            waiter.set_result(None)


class CallHandle(Awaited[FunctionCall]):
    """A call that has been asked for, as a future: it starts by itself and settles whether or not anyone waits.

    Handles come from `client.call` and `client.attach`; they are not built by hand. `await handle` gives the finished
    `FunctionCall`, or raises what the errors' tree says. It works in `asyncio.gather`, `wait`, `wait_for`, `shield` and
    `as_completed` as it is, and in a `TaskGroup` through its coroutine methods: `group.create_task(handle.wait())`.

    Awaiting tasks are independent of one another and of the call: cancelling one, or an `asyncio.timeout` around one,
    harms neither the call nor the handle.
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
        """Where the call stands: `Queued`, `Submitting`, what the service last said, or `Unknown`; no I/O."""
        return self._call.status

    @property
    def reason(self) -> str | None:
        """The trouble that keeps the call from starting, such as an outage; None for a call that runs or waits its turn."""
        return self._call.reason

    @property
    def elapsed(self) -> float:
        """Seconds the call has run so far or took in all; for one that does not run yet, how long it has waited."""
        return self._call.elapsed

    @property
    def ref(self) -> CallRef:
        """Where to find the call again, from here or from another process.

        Raises:
            WrongState: The service has not accepted the call yet; `await handle.submitted()` first.
        """
        ref = self._call.ref
        if ref is None:
            raise WrongState(f"{self!r} has no id yet: await handle.submitted() first")
        return ref

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The earlier calls of the function that ended and were repeated, as `retry=Retry(...)` says; the first comes first."""
        return self._call.attempts

    def follow(self, call: Backend) -> None:
        """Stand for another record of the same call from now on; for the engine."""
        self._call = call

    def __await__(self) -> Generator[Any, None, FunctionCall]:
        """Wait for the end of the call and return it.

        Raises:
            CallError: The call failed, timed out or was lost; or it is not known whether it started.
            AiocdfError: It could not be started.
        """
        yield from self.until_done()
        return self.result()

    __iter__ = __await__

    async def wait(self) -> FunctionCall:
        """Wait for the end of the call and return it whatever its status: a failure of the function is not raised.

        Raises:
            AiocdfError: The call could not be started, or its end is not known.
        """
        await self.wait_until_done()
        error = None if self.cancelled() else self.exception()
        if isinstance(error, CallFailed | CallTimedOut) and error.call is not None:
            return error.call
        return self.result()

    async def submitted(self) -> FunctionCall:
        """Wait until the service has accepted the call, and return it as accepted: fire and forget ends here.

        Raises:
            AiocdfError: It could not be started.
        """
        try:
            return await self._call.accepted()
        except AiocdfError:
            # Who hears of it here need not be told again by the loop's exception handler.
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
        """Wait for the end of the call and return what the function returned.

        Args:
            Output: A type to build from it, such as an attrs class or `list[int]`; None for plain JSON values.

        Raises:
            CallError: The call did not complete.
            DecodeError: What it returned does not fit *Output*; the error has the JSON path and both types.
            InvalidType: No value can be built as *Output*.
        """
        check_type(Output, "Output")
        await self
        return await self._call.response(Output)

    def logs(self, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        """Give what the call has printed, a line at a time.

        Args:
            follow: Go on until the call ends, instead of stopping at what is there now.

        Raises:
            AiocdfError: The call could not be started, or the logs not be read.
        """
        return self._call.logs(follow=follow)

    def cancel(self, msg: Any | None = None) -> bool:
        """Give up on the call: still queued, it never starts; started, it runs on, for the service cannot stop one.

        Other handles on the same call are not touched.

        Args:
            msg: For the `CancelledError`; by default it says what became of the call.
        """
        return self._let_go(msg, withdraw=True)

    def detach(self) -> bool:
        """Stop following the call, which goes on, also from the queue; this handle ends as cancelled."""
        return self._let_go(None, withdraw=False)

    def _let_go(self, msg: Any | None, *, withdraw: bool) -> bool:
        if self.done():
            return False
        became = self._call.detach(self, withdraw=withdraw)
        return super().cancel(msg=became if msg is None else msg)

    def __repr__(self) -> str:
        """Tell the function, the call, its status and its age."""
        which = f"call {self.call_id} of " if self.call_id is not None else ""
        state = "cancelled, " if self.cancelled() else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"<CallHandle {which}function {self._call.name}: {state}{self.status}, {self.elapsed:.1f} s{reason}>"

    def _repr_html_(self) -> str:
        """Show the call as a small table in a notebook."""
        from html import escape  # takes its time to import, for notebooks alone

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
        """Return the error's text without counting it as taken: a glance in a notebook handles no error."""
        error = self._exception
        return "" if error is None else str(error)

    def __reduce__(self) -> tuple[Callable[[], CallRef], tuple[()]]:
        """Pickle as the `CallRef`, which `client.attach` makes a handle of again."""
        return partial(CallRef, **attrs.asdict(self.ref)), ()

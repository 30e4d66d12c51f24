"""One call, as all handles on it share it."""

from __future__ import annotations

import asyncio
import copy
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from aiocdf import _clock
from aiocdf._wire.problems import call_error
from aiocdf.handle import CallHandle, Settled
from aiocdf.models.call_ref import CallRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiocdf.errors import AiocdfError
    from aiocdf.models.calls import FunctionCall, LogEntry
    from aiocdf.secret import Secret

__all__ = ["CallRecord", "CallSpec", "Owner", "Stage"]


class Stage(Enum):
    """How far we are with a call."""

    QUEUED = "Queued"
    SUBMITTING = "Submitting"
    RUNNING = "Running"
    ENDED = "Ended"


@attrs.frozen(kw_only=True)
class CallSpec:
    """What the caller asked for, checked and encoded."""

    #: An id, or an external id that has to be looked up.
    function: int | str
    #: The data as JSON text; nothing for a call that was started elsewhere.
    data: bytes = b""
    #: One of the caller's own, good for one attempt.
    nonce: Secret | None = None
    #: Seconds from its start that the caller wants to follow the call.
    timeout: float | None = None
    #: The function may run twice without harm.
    repeatable: bool = False


class Owner(Protocol):
    """The engine, as far as a record needs it."""

    cluster: str
    project: str

    def over(self, record: CallRecord) -> None:
        """Forget a call that has ended."""

    def withdraw(self, record: CallRecord) -> None:
        """Take a queued call out of the queue."""

    async def read_response(self, record: CallRecord, kind: Any) -> Any:
        """Read what an ended call returned."""

    def read_logs(self, record: CallRecord, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Read what a call prints."""


class CallRecord:
    """A call from `client.call` or `client.attach` to its end.

    Args:
        owner: The engine.
        number: The call's place among all of this engine.
        spec: What the caller asked for.
    """

    __slots__ = (
        "_acceptance",
        "_handle",
        "_other_handles",
        "abandoned",
        "adopter",
        "attempts",
        "call",
        "call_id",
        "created_at",
        "data",
        "ended_at",
        "error",
        "first",
        "function",
        "function_id",
        "loop",
        "misses",
        "nonce",
        "number",
        "owner",
        "repeatable",
        "stage",
        "started_at",
        "timeout",
        "timer",
    )

    def __init__(self, owner: Owner, *, number: int, spec: CallSpec) -> None:
        self.owner = owner
        self.number = number
        # Not the spec as it is, which would be one more object.
        self.function = spec.function
        self.data = spec.data
        self.nonce = spec.nonce
        self.timeout = spec.timeout
        self.repeatable = spec.repeatable
        self.stage = Stage.QUEUED
        self.function_id: int | None = None
        self.call_id: int | None = None
        #: As accepted, and as the service last described it.
        self.first: FunctionCall | None = None
        self.call: FunctionCall | None = None
        self.error: AiocdfError | None = None
        # No list: most calls have one handle, and of thousands of queued calls the garbage collector feels each object.
        self._handle: CallHandle | None = None
        self._other_handles: tuple[CallHandle, ...] = ()
        #: The last handle was cancelled, not detached: if the call has not started, it need not.
        self.abandoned = False
        #: The record that has taken over our handles, for it follows the same call.
        self.adopter: CallRecord | None = None
        self.attempts = 0
        self.misses = 0
        # Looked at also when the loop no longer runs: `repr` must work then.
        self.loop = asyncio.get_running_loop()
        self.created_at = _clock.monotonic()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._acceptance: asyncio.Future[FunctionCall] | None = None

    @property
    def name(self) -> str:
        """What the caller called the function."""
        return repr(self.function) if isinstance(self.function, str) else str(self.function)

    @property
    def which(self) -> str:
        """The call in words, for messages."""
        return f"call {'' if self.call_id is None else f'{self.call_id} '}of function {self.name}"

    @property
    def status(self) -> str:
        """Where the call stands, as far as we know."""
        if self.stage in (Stage.QUEUED, Stage.SUBMITTING):
            return str(self.stage.value)
        return "Unknown" if self.call is None else str(self.call.status)

    @property
    def elapsed(self) -> float:
        """Seconds the call has run, or has waited if it does not run yet."""
        if self.call is not None and self.call.runtime is not None:
            return self.call.runtime
        return (self.loop.time() if self.ended_at is None else self.ended_at) - self.since

    @property
    def since(self) -> float:
        """When the call started by our clock; before that is known, when we heard of it."""
        return self.created_at if self.started_at is None else self.started_at

    @property
    def ref(self) -> CallRef | None:
        """Where to find the call again, once it has an id."""
        if self.function_id is None or self.call_id is None:
            return None
        return CallRef(
            cluster=self.owner.cluster,
            project=self.owner.project,
            function_id=self.function_id,
            call_id=self.call_id,
        )

    @property
    def handles(self) -> tuple[CallHandle, ...]:
        """The handles on this call that are to be told of its end."""
        return self._other_handles if self._handle is None else (self._handle, *self._other_handles)

    @handles.setter
    def handles(self, handles: tuple[CallHandle, ...]) -> None:
        self._handle, self._other_handles = (handles[0], handles[1:]) if handles else (None, ())

    def handle(self) -> CallHandle:
        """Make one more handle on this call."""
        handle = CallHandle(self, loop=self.loop)
        self.handles = (*self.handles, handle)
        return handle

    def release(self, handle: CallHandle, *, withdraw: bool) -> str:
        """Let go of *handle*; with *withdraw*, a call that still waits never starts."""
        self.handles = tuple(other for other in self.handles if other is not handle)
        self.abandoned = withdraw and not self.handles
        if self.call_id is not None:
            return f"stopped following {self.which}, which goes on: client.attach finds it again"
        if not self.abandoned:
            return f"stopped following {self.which}, which will start when its turn comes"
        if self.stage is Stage.SUBMITTING:
            return f"stopped following {self.which} while it was being submitted: it may start"
        self.owner.withdraw(self)
        self.withdrawn()
        return f"{self.which} was cancelled in the queue and never started"

    def withdrawn(self) -> None:
        """End a call that nobody wants any more before it has started."""
        self._end()
        if self._acceptance is not None:
            self._acceptance.cancel()

    def seen(self, call: FunctionCall, *, started_at: float) -> None:
        """Take note of what the service says of the call.

        Args:
            call: What it says.
            started_at: The call's start by our clock.
        """
        self.call = call
        if self.first is not None:
            return
        self.first = call
        self.call_id = call.id
        self.started_at = started_at
        self.stage = Stage.RUNNING
        self.data, self.nonce = b"", None
        if self._acceptance is not None and not self._acceptance.done():
            self._acceptance.set_result(call)

    def settle(self) -> None:
        """End every handle with the call as it was last seen, which has ended."""
        call, ref = self.call, self.ref
        assert call is not None  # noqa: S101 - for the reader and the type checker
        assert ref is not None  # noqa: S101
        for handle in self._end():
            error = call_error(call, ref, self.name)
            if error is None:
                handle.set_result(call)
            else:
                handle.set_exception(error)

    def fail(self, error: AiocdfError, *, quietly: bool = False) -> None:
        """End every handle with *error*: a copy each, for each waiter adds to its traceback.

        Args:
            error: Why the call has no end that we know of.
            quietly: Nobody needs to hear of it who is not waiting.
        """
        self.error = error
        for handle in self._end():
            handle.set_exception(_copy(error))
            if quietly:
                handle.exception()
        if self._acceptance is not None and not self._acceptance.done():
            self._acceptance.set_exception(_copy(error))
            self._acceptance.exception()

    def leave_alone(self, error: AiocdfError) -> None:
        """End every handle with *error*, while the call itself is followed on."""
        for handle in self._let_go():
            handle.set_exception(_copy(error))

    def adopt(self, other: CallRecord) -> None:
        """Take over the handles of *other*, which turned out to be the same call."""
        for handle in other.handles:
            handle._call = self  # noqa: SLF001 - a handle's call is changed here and nowhere else
        self.handles = (*self.handles, *other._end())
        other.adopter = self
        if other._acceptance is not None:
            other._acceptance.cancel()  # wakes who waits there, to wait with us

    def _end(self) -> list[CallHandle]:
        """Close the books and return the handles that are to be told."""
        self.stage = Stage.ENDED
        self.ended_at = self.loop.time()
        self.data, self.nonce = b"", None  # megabytes, perhaps
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.owner.over(self)
        return self._let_go()

    def _let_go(self) -> list[CallHandle]:
        """Forget the handles, so that one that nobody keeps is freed, and its error reported, at once."""
        handles, self.handles = self.handles, ()
        return [handle for handle in handles if not handle.done()]

    async def accepted(self) -> FunctionCall:
        """Return the call as the service accepted it."""
        if self.first is not None:
            return self.first
        if self.error is not None:
            raise _copy(self.error)
        if self._acceptance is None:
            self._acceptance = self.loop.create_future()
            if self.stage is Stage.ENDED:
                self._acceptance.cancel()
        await Settled(self._acceptance)
        return self._acceptance.result() if self.adopter is None else await self.adopter.accepted()

    async def response(self, kind: Any) -> Any:
        """Return what the ended call returned."""
        return await self.owner.read_response(self, kind)

    def logs(self, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Give what the call printed."""
        return self.owner.read_logs(self, follow=follow)


def _copy(error: AiocdfError) -> AiocdfError:
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin

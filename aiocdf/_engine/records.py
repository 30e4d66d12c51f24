"""One call, which all its handles share."""

from __future__ import annotations

import asyncio
import copy
from contextvars import Context
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock
from aiocdf._engine.view import CallView
from aiocdf._policy import lifecycle
from aiocdf._policy.lifecycle import Ended, Event, Queued, Recovering, Resolving, Running, Submitting, after
from aiocdf._wire import endings
from aiocdf._wire.problems import call_error
from aiocdf.config import Retry
from aiocdf.errors import AiocdfError, WrongState
from aiocdf.handle import Awaited, CallHandle
from aiocdf.models.call_ref import CallRef
from aiocdf.models.calls import CallStatus, FunctionCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiocdf._engine.shared import Shared
    from aiocdf._policy.lifecycle import Live, State
    from aiocdf._policy.recovery import Case
    from aiocdf._wire.arguments import CallSpec
    from aiocdf.errors import SubmissionUncertain
    from aiocdf.models.calls import LogEntry

__all__ = ["CallRecord", "copied"]

_ENDS = {CallStatus.Completed: Event.COMPLETED, CallStatus.Timeout: Event.TIMED_OUT}


class CallRecord(CallView):
    """A call from `client.call` or `client.attach` to its end.

    Args:
        shared: What all calls of the client share.
        spec: The caller's arguments.
        state: The first state.
    """

    # Many calls may be queued, so each is one object: the spec's fields are copied.
    __slots__ = (
        "_acceptance",
        "_handle",
        "_other_handles",
        "before_post",
        "case",
        "created_at",
        "data",
        "earlier",
        "function",
        "merged_into",
        "nonce",
        "number",
        "retry",
        "shared",
        "state",
        "timeout",
        "timer",
        "unwanted",
    )

    def __init__(self, shared: Shared, spec: CallSpec, state: Live) -> None:
        ledger = shared.open_desk().ledger
        self.shared = shared
        self.number = ledger.number()
        self.function = spec.function
        self.data = spec.data
        self.nonce = spec.nonce
        self.timeout = spec.timeout
        self.retry = spec.retry
        #: The earlier calls that failed and were repeated.
        self.earlier: tuple[FunctionCall, ...] = ()
        self.before_post = spec.before_post
        #: The facts about a POST that may have started the call; None without such a POST.
        self.case: Case | None = None
        self.state: State = state
        self.created_at = _clock.monotonic()
        #: The last handle was cancelled, not detached: if the call has not started, it must not start.
        self.unwanted = False
        #: The record that has this record's handles now, because it tracks the same call.
        self.merged_into: CallRecord | None = None
        self.timer: asyncio.TimerHandle | None = None
        # Most calls have one handle; a container in each of thousands of calls would slow the garbage collector down.
        self._handle: CallHandle | None = None
        self._other_handles: dict[CallHandle, None] | None = None
        self._acceptance: Awaited[FunctionCall] | None = None
        ledger.opened(self, state)

    def handle(self) -> CallHandle:
        """Make one more handle on this call."""
        handle = CallHandle(self, loop=self.shared.loop)
        if self._handle is None and self._other_handles is None:
            self._handle = handle
        else:
            self._other_handles = self._other_handles or {}
            self._other_handles[handle] = None
        return handle

    def move(self, event: Event, state: State) -> None:
        """Go to *state* by *event*, if the table of the lifecycle allows it."""
        if after(self.state, event) is not type(state):
            raise LookupError(f"{event.name} does not lead to {type(state).__name__}")
        before, self.state = self.state, state
        if self.shared.desk is not None:
            self.shared.desk.ledger.moved(self, before, state)

    def admit(self) -> Submitting:
        """Move from the queue to a worker."""
        match self.state:
            case Queued() as queued:
                submitting = Submitting(queued.function_id, queued.attempts, queued.doubt)
                self.move(Event.ADMITTED, submitting)
                return submitting
            case state:
                raise LookupError(f"{self.which} is {state}, not queued")

    def accept(self, before: Submitting | Recovering, call: FunctionCall, since: float) -> Running:
        """Record that the service has the call, which started at *since* by this client's clock."""
        running = Running(before.function_id, call.id, since, call, call)
        self.move(Event.ACCEPTED if isinstance(before, Submitting) else Event.FOUND, running)
        self._on_accepted(call)
        return running

    def see(self, running: Running, call: FunctionCall, since: float) -> Running:
        """Record the service's description of the call, which started at *since* by this client's clock."""
        seen = attrs.evolve(running, since=since, accepted=running.accepted or call, call=call)
        self.move(Event.SEEN, seen)
        if running.accepted is None:
            self._on_accepted(call)
        elif since != running.since:
            self.expire_after(since)
        return seen

    def finish(self, call: FunctionCall) -> None:
        """End every handle with the call, whose end was seen."""
        ref = CallRef(
            cluster=self.shared.cluster, project=self.shared.project, function_id=call.function_id, call_id=call.id
        )
        for handle in self._end(_ENDS.get(call.status, Event.FAILED), None):
            error = call_error(call, ref, self.name)
            if error is None:
                handle.set_result(call)
            else:
                handle.set_exception(error)

    def repeats(self, call: FunctionCall) -> bool:
        """Return whether to call the function again after *call*: `retry` allows it, and a handle still waits."""
        retry = self.retry
        return (
            isinstance(retry, Retry)
            and call.status in retry.on
            and len(self.earlier) + 1 < retry.attempts
            and bool(self._handles())
        )

    def repeat(self, running: Running, call: FunctionCall) -> None:
        """Queue the call again after *call*, which has ended."""
        self.earlier = (*self.earlier, call)
        self.move(Event.RETRIED, Queued(running.function_id))
        if self.timer is not None:
            self.timer.cancel()
        wait = self.retry.wait if isinstance(self.retry, Retry) else 0.0
        self.timer = self.shared.loop.call_at(_clock.monotonic() + wait, self._enqueue, context=Context())

    def _enqueue(self) -> None:
        desk, self.timer = self.shared.desk, None
        if isinstance(self.state, Queued) and desk is not None:
            desk.gate.admission.enqueue(self.state.function_id, self.number, self)
            desk.wake()

    def fail(self, event: Event, error: AiocdfError, *, quietly: bool = False) -> None:
        """End every handle with a copy of *error*, because each waiter extends the traceback.

        Args:
            event: How the call ends.
            error: Why no end of the call is known.
            quietly: Suppress asyncio's report that an exception was never retrieved.
        """
        for handle in self._end(event, error):
            handle.set_exception(copied(error))
            if quietly:
                handle.exception()
        if self._acceptance is not None and not self._acceptance.done():
            self._acceptance.set_exception(copied(error))
            self._acceptance.exception()

    def uncertain(
        self, attempts: int, doubt: AiocdfError, candidates: Sequence[FunctionCall] = (), why: str = ""
    ) -> SubmissionUncertain:
        """End every handle because it is unknown whether the call started, and return the error.

        Args:
            attempts: The number of POSTs that were sent.
            doubt: The error of the POST that may have started it.
            candidates: Calls that may be this one.
            why: Why recovery did not decide.
        """
        error = endings.uncertain(
            self.which, attempts, doubt, repeatable=self.repeatable, candidates=candidates, why=why
        )
        self._leave()
        self.fail(Event.UNCERTAIN, error)
        return error

    def drop(self, event: Event) -> None:
        """End a call without handles that did not start."""
        self._end(event, None)
        if self._acceptance is not None:
            self._acceptance.cancel()

    def expire_after(self, began_at: float) -> None:
        """End every handle once the caller's `timeout` has passed since *began_at*; the call itself stays tracked."""
        timeout = self.timeout
        if self.timer is not None:
            self.timer.cancel()
        if timeout is not None:
            self.timer = self.shared.loop.call_at(began_at + timeout, self._expire, timeout, context=Context())

    def close(self, why: str) -> None:
        """End every handle because the client was closed."""
        match self.state:
            case Ended():
                return
            case Recovering(attempts=attempts, doubt=doubt):
                handles = self._handles()
                self.uncertain(attempts, doubt, why=why)
                for handle in handles:
                    handle.exception()
            case _:
                prospect = lifecycle.prospect(self.state) if not self.earlier else "The function was not called again."
                error = endings.closed(self.which, why, prospect)
                self._leave()
                self.fail(Event.CLOSED, error, quietly=True)

    def merge_into(self, other: CallRecord) -> None:
        """Move this record's handles to *other*, which tracks the same call."""
        handles = self._end(Event.MERGED, None)
        self.merged_into = other
        for handle in handles:
            handle.follow(other)
            other._other_handles = other._other_handles or {}
            other._other_handles[handle] = None
        if self._acceptance is not None:
            self._acceptance.cancel()  # wakes the waiters, which then wait for *other*

    def detach(self, handle: CallHandle, *, cancel_queued: bool) -> str:
        """Detach *handle*, and return a message on the call; with *cancel_queued*, a call in the queue never starts."""
        if self._handle is handle:
            self._handle = None
        elif self._other_handles:
            self._other_handles.pop(handle, None)
        self.unwanted = cancel_queued and self._handle is None and not self._other_handles
        match self.state:
            case Running() | Resolving(call_id=int()) | Ended():
                return f"stopped tracking {self.which}, which continues on the service: client.attach tracks it again"
            case _ if not self.unwanted:
                return f"stopped tracking {self.which}, which stays in the queue and will start"
            case Submitting():
                return f"stopped tracking {self.which} while it was being submitted: it may start"
            case Queued(attempts=attempts, doubt=AiocdfError() as doubt) | Recovering(attempts=attempts, doubt=doubt):
                self.uncertain(attempts, doubt)
                return f"{self.which} was cancelled, but an earlier attempt may have started it: {doubt}"
            case _:
                self._leave()
                self.drop(Event.WITHDRAWN)
                never = "not called again" if self.earlier else "never started"
                return f"{self.which} was cancelled in the queue and {never}"

    async def accepted(self) -> FunctionCall:
        """Return the call as the service accepted it."""
        live = self.live
        if isinstance(live, Running) and live.accepted is not None:
            return live.accepted
        if isinstance(self.state, Ended) and self.state.error is not None:
            raise copied(self.state.error)
        if self._acceptance is None:
            self._acceptance = Awaited(loop=self.shared.loop)
            if self.ended:
                self._acceptance.cancel()
        await self._acceptance.wait_until_done()
        return self._acceptance.result() if self.merged_into is None else await self.merged_into.accepted()

    async def response(self, Output: Any) -> Any:
        """Return what the ended call returned."""
        self._check_loop()
        ref, reader = self.ref, self.shared.open_desk().reader
        if ref is None:
            raise WrongState(f"{self.which} has not started, so it has no response")
        return await reader.response(ref.function_id, ref.call_id, Output, what=f"the response of {self.which}")

    async def logs(self, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Yield what the call printed."""
        self._check_loop()
        accepted = await self.accepted()
        record = self.merged_into or self
        reader = self.shared.open_desk().reader

        async def complete() -> bool:
            return not follow or record.ended

        async for entry in reader.logs(accepted.function_id, accepted.id, complete):
            yield entry

    def _expire(self, timeout: float) -> None:
        call = self.live.call if isinstance(self.live, Running) else None
        error = endings.expired(self.which, timeout, call, self.ref)
        for handle in self._take_handles():
            handle.set_exception(copied(error))

    def _on_accepted(self, call: FunctionCall) -> None:
        self._close_case()
        if not isinstance(self.retry, Retry):
            self.data, self.nonce, self.before_post = b"", None, None  # the data may be megabytes
        if self._acceptance is not None and not self._acceptance.done():
            self._acceptance.set_result(call)

    def _close_case(self) -> None:
        if self.case is not None:
            self.case.closed, self.case = True, None

    def _leave(self) -> None:
        """Leave the queue, or free the place that a call in doubt keeps."""
        self._close_case()
        desk = self.shared.desk
        match self.state:
            case Queued(function_id=function_id) if desk is not None:
                desk.gate.admission.withdraw(function_id, self.number)
            case Recovering(function_id=function_id) if desk is not None:
                desk.gate.admission.put_back(function_id)
            case _:
                pass

    def _end(self, event: Event, error: AiocdfError | None) -> list[CallHandle]:
        """Move to the end, release everything, and return the handles that have no outcome yet."""
        self.move(event, Ended(self.live, event, self.shared.loop.time(), error))
        self._close_case()
        self.data, self.nonce, self.before_post = b"", None, None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        return self._take_handles()

    def _take_handles(self) -> list[CallHandle]:
        """Remove and return the handles: one without another reference is freed, and its error reported, at once."""
        handles = self._handles()
        self._handle = self._other_handles = None
        return handles

    def _handles(self) -> list[CallHandle]:
        handles = [] if self._handle is None else [self._handle]
        handles += self._other_handles or ()
        return [handle for handle in handles if not handle.done()]

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self.shared.loop:
            raise WrongState(f"{self.which} belongs to another event loop: use it there, or attach its ref here")


def copied(error: AiocdfError) -> AiocdfError:
    """Return a copy with the cause, but without the traceback."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin

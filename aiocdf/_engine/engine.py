"""One client's calls: brings records, submitter and poller together."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf._engine.nonces import Nonces
from aiocdf._engine.poller import Poller
from aiocdf._engine.record import CallRecord, CallSpec, Stage
from aiocdf._engine.resolver import Resolver
from aiocdf._engine.submitter import Submitter
from aiocdf._engine.tasks import Tasks
from aiocdf._policy.admission import Admission
from aiocdf._policy.servertime import ServerTime
from aiocdf._wire.converter import structure
from aiocdf._wire.json import server_date
from aiocdf._wire.problems import note_trace
from aiocdf.errors import AiocdfError, ApiError, ClientClosed, FunctionNotReady, WaitExpired, WrongState
from aiocdf.models.functions import FunctionStatus
from aiocdf.models.stats import Stats
from aiocdf.telemetry import CallAccepted, CallEnded, CallQueued

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aiocdf._wire.http import Response
    from aiocdf.config import Settings
    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall, LogEntry
    from aiocdf.models.functions import Function
    from aiocdf.resources import Calls, Functions, Sessions
    from aiocdf.telemetry import Event

__all__ = ["Engine"]

_log = logging.getLogger("aiocdf.engine")

_LOGS_EVERY = 1.0


class Engine:
    """Starts calls, follows them, and tells their handles.

    Args:
        calls: The resource.
        functions: The resource.
        sessions: The resource.
        grants: What sessions may be asked for with, the best first.
        settings: Limits and intervals.
        cluster: For the references of calls.
        project: For the references of calls.
        emit: Told what happens.
    """

    def __init__(  # one argument a collaborator
        self,
        *,
        calls: Calls,
        functions: Functions,
        sessions: Sessions,
        grants: Sequence[Mapping[str, Any]],
        settings: Settings,
        cluster: str,
        project: str,
        emit: Callable[[Event], None],
    ) -> None:
        self.cluster = cluster
        self.project = project
        self._calls = calls
        self._functions = functions
        self._settings = settings
        self._emit = emit
        self._tasks = Tasks(asyncio.get_running_loop())
        self._admission: Admission[CallRecord] = Admission(
            function_limit=settings.function_limit, project_limit=settings.project_limit
        )
        self._resolver = Resolver(functions, self._tasks)
        self._submitter = Submitter(
            self,
            admission=self._admission,
            calls=calls,
            nonces=Nonces(sessions, grants, self._tasks),
            settings=settings,
            tasks=self._tasks,
            emit=emit,
        )
        self._poller = Poller(self, calls=calls, functions=functions, settings=settings, tasks=self._tasks)
        self._server_time = ServerTime()
        self._readers = asyncio.Semaphore(settings.max_concurrent_reads)
        #: Calls whose end is not known.
        self._open: set[CallRecord] = set()
        self._made = 0
        self._ended = 0
        self._lags = 0
        self._lag_sum = 0.0

    def call(self, spec: CallSpec) -> CallHandle:
        """Queue a call and return its handle; nothing is sent before the loop comes round."""
        record = self._record(spec)
        handle = record.handle()
        self._emit(CallQueued(function=spec.function))
        self._resolver.resolve(spec.function, lambda found: self._resolved(record, found))
        return handle

    def attach(self, function: int | str, call_id: int) -> CallHandle:
        """Return a handle on a call that was started before, here or elsewhere; no I/O."""
        followed = self._poller.find(function, call_id) if isinstance(function, int) else None
        if followed is not None:
            return followed.handle()
        record = self._record(CallSpec(function=function))
        record.call_id = call_id
        record.stage = Stage.RUNNING
        handle = record.handle()
        self._resolver.resolve(function, lambda found: self._attached(record, found))
        return handle

    @property
    def unfinished(self) -> int:
        """How many calls have not ended, as far as we know."""
        return len(self._open)

    def awaits(self, function_id: int) -> bool:
        """Tell whether a queued call starts when one of the function's ends."""
        return self._admission.awaits(function_id)

    def stats(self, **counts: int) -> Stats:
        """Return what this engine counts, with *counts* from elsewhere."""
        stages = Counter(record.stage for record in self._open)
        return Stats(
            queued=stages[Stage.QUEUED],
            submitting=stages[Stage.SUBMITTING],
            running=len(self._poller.records),
            ended=self._ended,
            polls=self._poller.polls,
            project_window=self._admission.project_window,
            function_windows=self._admission.function_windows,
            throttle_cause=self._submitter.throttle_cause,
            detection_lag=self._lag_sum / self._lags if self._lags else None,
            **counts,
        )

    async def aclose(self) -> None:
        """End everything here; calls that run go on at the service, and their handles end with `ClientClosed`."""
        self._poller.close()
        self._submitter.close()
        left = list(self._open)
        for record in left:
            goes_on = "it goes on: attach to its ref" if record.call_id is not None else "it may not have started"
            if record.stage is Stage.QUEUED:
                goes_on = "it never started"
            record.fail(ClientClosed(f"{record.which}: the client was closed first; {goes_on}"), quietly=True)
        await self._tasks.aclose()
        if left:
            _log.info("closed with %d calls unfinished", len(left))

    def over(self, record: CallRecord) -> None:
        """Forget a call that has ended."""
        self._open.discard(record)

    def withdraw(self, record: CallRecord) -> None:
        """Take a queued call out of the queue."""
        if record.function_id is not None:
            self._admission.withdraw(record.function_id, record.number)

    def started(self, record: CallRecord, call: FunctionCall, response: Response) -> None:
        """Take over a call that the service accepted."""
        self._server_time.observe(
            call.start_time.timestamp(),
            sent_at=response.sent_at,
            received_at=response.received_at,
            resolution=0.001,
        )
        timeout = record.timeout
        record.seen(call, started_at=response.sent_at)
        self._emit(
            CallAccepted(function_id=call.function_id, call_id=call.id, waited=response.received_at - record.created_at)
        )
        followed = self._poller.find(call.function_id, call.id)
        if followed is not None:
            # Somebody attached to the call before we heard that it had started.
            self._poller.forget(followed)
            record.adopt(followed)
            self._admission.put_back(call.function_id)
        if call.ended:
            self.ended(record)
            return
        if timeout is not None:
            record.timer = self._tasks.at(response.received_at + timeout, lambda: self._expire(record, timeout))
        self._poller.watch(record, new=True)

    async def refused(self, record: CallRecord, error: ApiError) -> None:
        """Find out why the service refused a call: its own words for that are not documented.

        A function that was deployed anew under the same external id has another id: the call moves there.
        """
        asked = record.function
        try:
            function = await self._functions.retrieve(asked)
        except AiocdfError as unknown:
            if isinstance(asked, str):
                self._resolver.forget(asked)
            record.fail(unknown if isinstance(unknown, ApiError) and unknown.missing else error)
        else:
            if function.id != record.function_id and isinstance(asked, str):
                self._move(asked, function.id)
                self._resolved(record, function.id)
                return
            record.fail(error if function.status is FunctionStatus.Ready else _not_ready(record, error, function))

    def observe(self, response: Response) -> None:
        """Learn what time it is at the service from the `Date` of an answer."""
        stamp = server_date(response)
        if stamp is not None:
            self._server_time.observe(stamp, sent_at=response.sent_at, received_at=response.received_at, resolution=1.0)

    def local_start(self, call: FunctionCall) -> float:
        """Return when a call started, by our clock."""
        return self._server_time.local(call.start_time.timestamp(), _clock.monotonic())

    def polled(self) -> None:
        """Have nonces made for the calls that will soon start in the place of others."""
        self._submitter.expect(self._poller.ends)

    def ended(self, record: CallRecord) -> None:
        """Tell the handles of a call whose end was seen, after its place is free for the next."""
        call = record.call
        assert call is not None  # noqa: S101 - its end was seen
        assert record.function_id is not None  # noqa: S101 - it was started
        self._admission.leave(record.function_id, _clock.monotonic())
        self._submitter.wake()
        self._ended += 1
        lag = None
        if call.end_time is not None and self._server_time.offset is not None:
            lag = max(0.0, _clock.monotonic() - self._server_time.local(call.end_time.timestamp(), 0.0))
            self._lags, self._lag_sum = self._lags + 1, self._lag_sum + lag
        record.settle()
        self._emit(
            CallEnded(
                function_id=call.function_id, call_id=call.id, status=str(call.status), runtime=call.runtime, lag=lag
            )
        )

    def lost(self, record: CallRecord, error: AiocdfError) -> None:
        """Tell the handles of a call whose end will not be seen; its place counts as free."""
        assert record.function_id is not None  # noqa: S101 - it was followed
        if isinstance(record.function, str):
            self._resolver.forget(record.function)  # it may be another function by now
        self._admission.leave(record.function_id, _clock.monotonic())
        self._submitter.wake()
        record.fail(error)

    async def read_response(self, record: CallRecord, kind: Any) -> Any:
        """Read what an ended call returned, as a *kind* unless that is None."""
        assert record.function_id is not None  # noqa: S101 - it has ended
        assert record.call_id is not None  # noqa: S101
        _check_loop(record)
        async with self._readers:
            value = await self._calls.response(record.function_id, record.call_id)
        return value if kind is None else structure(value, kind, what=f"the response of {record.which}")

    async def read_logs(self, record: CallRecord, *, follow: bool) -> AsyncIterator[LogEntry]:
        """Read what a call prints; with *follow* until it has ended."""
        _check_loop(record)
        first = await record.accepted()
        record = record.adopter or record
        shown, over = 0, False
        while not over:
            over = not follow or record.stage is Stage.ENDED
            async with self._readers:
                entries = await self._calls.logs(first.function_id, first.id)
            for entry in entries[shown:]:
                yield entry
            shown = max(shown, len(entries))
            if not over:
                await _clock.sleep(_LOGS_EVERY)

    def _record(self, spec: CallSpec) -> CallRecord:
        self._made += 1
        record = CallRecord(self, number=self._made, spec=spec)
        self._open.add(record)
        return record

    def _move(self, function: str, found: int) -> None:
        """Queue all waiting calls of a function under the id that it has now."""
        self._resolver.learn(function, found)
        for record in list(self._open):
            if record.function == function and record.stage is Stage.QUEUED and record.function_id not in (None, found):
                self.withdraw(record)
                self._resolved(record, found)

    def _resolved(self, record: CallRecord, found: int | AiocdfError) -> None:
        """Queue a call now that its function's id is known, if it still is wanted."""
        if record.stage is Stage.ENDED:
            return
        if record.abandoned:
            record.withdrawn()
            return
        if isinstance(found, AiocdfError):
            record.fail(found)
            return
        record.function_id = found
        self._submitter.enqueue(record)

    def _attached(self, record: CallRecord, found: int | AiocdfError) -> None:
        """Follow a call now that its function's id is known."""
        if record.stage is Stage.ENDED:
            return
        if isinstance(found, AiocdfError):
            record.fail(found)
            return
        record.function_id = found
        assert record.call_id is not None  # noqa: S101 - it was given
        followed = self._poller.find(found, record.call_id)
        if followed is not None:
            followed.adopt(record)
            return
        self._admission.occupy(found)
        self._poller.watch(record, new=False)

    def _expire(self, record: CallRecord, timeout: float) -> None:
        """End the handles of a call that the caller wants to follow no longer; its place stays taken while it runs."""
        record.leave_alone(
            WaitExpired(
                f"{record.which} still runs {timeout:g} s after its start, and was given no longer: "
                f"client.attach({str(record.ref)!r}) takes it up again",
                call=record.call,
                ref=record.ref,
            )
        )


def _check_loop(record: CallRecord) -> None:
    if asyncio.get_running_loop() is not record.loop:
        raise WrongState(f"{record.which} belongs to another event loop: use it there, or attach to its ref here")


def _not_ready(record: CallRecord, error: ApiError, function: Function) -> FunctionNotReady:
    why = f": {function.error.message.rstrip('.')}" if function.error else ""
    ready = FunctionNotReady(
        f"{record.which} was not started: the function is {function.status}{why}. Only a Ready function can be called.",
        status=error.status,
        code=error.code,
        detail=error.detail,
        request_id=error.request_id,
    )
    ready.__cause__ = error
    note_trace(ready, f"the deployment of function {record.name}", function.error)
    return ready

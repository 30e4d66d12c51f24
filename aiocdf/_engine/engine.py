"""One client's calls: decides what to do next, and applies the results.

Data goes from here to the submitter and the poller; results come back as return values.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf._engine.doubts import Doubts, Interrupted
from aiocdf._engine.following import Following
from aiocdf._engine.ledger import Ledger
from aiocdf._engine.nonces import Nonces
from aiocdf._engine.pauses import Pauses
from aiocdf._engine.poller import Poller
from aiocdf._engine.records import CallRecord
from aiocdf._engine.recovering import Known
from aiocdf._engine.resolver import Resolver
from aiocdf._engine.shared import Desk, Shared
from aiocdf._engine.starting import Starting
from aiocdf._engine.submitter import Submitter
from aiocdf._engine.tasks import AFTER_CANCEL, Tasks, in_slices
from aiocdf._policy.answer_times import AnswerTimes
from aiocdf._policy.gate import Gate
from aiocdf._policy.lifecycle import Event, Resolving, Running
from aiocdf._policy.patience import Patience
from aiocdf._policy.schedule import Schedule
from aiocdf._policy.servertime import ServerTime
from aiocdf._policy.submission import Step, Verdict, judge
from aiocdf._wire import endings
from aiocdf._wire.arguments import CallSpec
from aiocdf.errors import AiocdfError
from aiocdf.models.stats import Stats
from aiocdf.telemetry import CallAttached, CallQueued

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from aiocdf._engine.service import Service
    from aiocdf._policy.lifecycle import Submitting
    from aiocdf._policy.recovery import NotStarted, Started, Uncertain
    from aiocdf._reader import Reader
    from aiocdf.config import Settings
    from aiocdf.handle import CallHandle
    from aiocdf.telemetry.observers import Observers

__all__ = ["Engine"]

_log = logging.getLogger("aiocdf.engine")

# Seconds ahead for which nonces are made.
_AHEAD = 0.25
# A loop may call a timer a clock tick too early, when the next call may not start yet.
_TICK = 1e-6
_RESOLVING = Resolving()
_NO_TIMER: asyncio.TimerHandle | None = None


class Engine:
    """Starts calls, tracks them, and ends their handles.

    Args:
        service: Sends the engine's requests.
        reader: Reads responses and logs for handles.
        session_requests: The possible items of a request for a session, the preferred one first.
        settings: Limits and intervals.
        cluster: For the references of calls.
        project: For the references of calls.
        emit: Receives the events.
    """

    def __init__(  # one argument per collaborator
        self,
        *,
        service: Service,
        reader: Reader,
        session_requests: Sequence[Mapping[str, Any]],
        settings: Settings,
        cluster: str,
        project: str,
        emit: Observers,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings, self._emit = settings, emit
        self._tasks = Tasks(loop)
        self._gate: Gate[CallRecord] = Gate(
            function_limit=settings.function_limit,
            project_limit=settings.project_limit,
            workers=settings.max_concurrent_submissions,
        )
        self._patience = Patience(usual=settings.patience, connect=settings.connect_patience)
        self._ledger, self._pauses = Ledger(emit), Pauses(self._gate.breakers, emit)
        self._shared = Shared(cluster, project, loop, Desk(self._gate, self._ledger, reader, self._wake))
        self._resolver = Resolver(service, self._gate.breakers.lookups, self._patience, changed=self._wake)
        self.resolve = self._resolver.resolve
        self._nonces = Nonces(service, session_requests, self._tasks, AnswerTimes(settings.request_timeout))
        self._schedule, server_time = Schedule(settings.polling), ServerTime()
        self._poller = Poller(service=service, schedule=self._schedule, settings=settings, server_time=server_time)
        self._following = Following(
            poller=self._poller,
            schedule=self._schedule,
            gate=self._gate,
            ledger=self._ledger,
            resolver=self._resolver,
            server_time=server_time,
            emit=emit,
        )
        known = Known(server_time, posts := AnswerTimes(settings.request_timeout))
        self._doubts = self._open_doubts(service, known, server_time)
        self._starting = Starting(
            gate=self._gate,
            submitter=Submitter(
                service, self._nonces, self._gate, posts, attempts=settings.retrying.attempts, emit=emit
            ),
            following=self._following,
            service=service,
            resolver=self._resolver,
            server_time=server_time,
            known=known,
            doubts=self._doubts,
            patience=self._patience,
            emit=emit,
        )
        #: Calls that wait for their function's id, by its external id.
        self._resolving: dict[str, deque[CallRecord]] = {}
        self._workers, self._waking, self._closed = 0, False, False
        self._wake_timer = self._poll_timer = _NO_TIMER
        self._polls_at: float | None = None
        self._loop_end = self._until_the_loop_ends()

    def _open_doubts(self, service: Service, known: Known, server_time: ServerTime) -> Doubts:
        return Doubts(
            gate=self._gate,
            following=self._following,
            service=service,
            known=known,
            server_time=server_time,
            attempts=self._settings.retrying.attempts,
            patience=self._settings.patience,
            request_timeout=self._settings.request_timeout,
            emit=self._emit,
            tasks=self._tasks,
            changed=self._changed,
        )

    async def start(self) -> None:
        """Start to watch for the end of the loop: open calls end with it."""
        await anext(self._loop_end)

    def call(self, spec: CallSpec) -> CallHandle:
        """Queue a call and return its handle; nothing is sent before the loop's next iteration."""
        found = self._resolver.known(spec.function)
        record = CallRecord(self._shared, spec, _RESOLVING if found is None else self._starting.queued(found))
        handle = record.handle()
        if self._emit.listening:
            self._emit(CallQueued(number=record.number, function=spec.function))
        if found is None:
            self._resolve(str(spec.function), record)
        else:
            self._enqueue(record, found)
        return handle

    def attach(self, function: int | str, call_id: int) -> CallHandle:
        """Return a handle on a call that was started before, by this process or another; no I/O."""
        spec, found = CallSpec(function=function), self._resolver.known(function)
        attached = partial(CallAttached, function=function, call_id=call_id)
        if found is None:
            record = CallRecord(self._shared, spec, Resolving(call_id))
            self._emit(attached(number=record.number))
            self._resolve(str(function), record)
            return record.handle()
        followed = self._following.find(found, call_id)
        if followed is not None:
            return followed.handle()
        running = Running(found, call_id, _clock.monotonic())
        record = CallRecord(self._shared, spec, running)
        handle = record.handle()
        self._following.attached(record, running)
        self._arm_polls()
        self._emit(attached(number=record.number))
        return handle

    def stats(self, **counts: int) -> Stats:
        """Return this engine's counts, with *counts* from elsewhere."""
        admission = self._gate.admission
        return Stats(
            **self._ledger.counts(),
            polls=self._poller.polls,
            places=admission.places,
            project_window=admission.project_window,
            function_windows=admission.function_windows,
            throttle_cause=self._starting.throttle_cause,
            pauses=self._pauses.current(),
            detection_lag=self._ledger.detection_lag,
            **counts,
        )

    async def aclose(self) -> None:
        """Stop the engine; running calls continue on the service, and their handles end with `ClientClosed`."""
        self._closed = True
        self._doubts.close()
        for timer in (self._wake_timer, self._poll_timer):
            if timer is not None:
                timer.cancel()
        left = deque(self._ledger.open.values())
        if left:
            _log.info("closed with %d calls unfinished", len(left), extra={"event": "closed_with_calls"})
        try:
            await in_slices(left, lambda record: record.close("the client was closed first"))
        finally:
            self._shared.desk = None
            await self._tasks.aclose()
            await self._loop_end.aclose()

    # Calls that wait for their function's id

    def _resolve(self, name: str, record: CallRecord) -> None:
        """Queue the call until its function's id is known; one look-up serves all calls."""
        if name not in self._resolving:
            self._resolving[name] = deque()
            self._tasks.spawn(self._look_up(name))
        self._resolving[name].append(record)

    async def _look_up(self, name: str) -> None:
        try:
            found = await self._resolver.look_up(name, self._resolving[name][0].created_at)
        except asyncio.CancelledError:
            self._tasks.at(_clock.monotonic() + AFTER_CANCEL, lambda: self._tasks.spawn(self._look_up(name)))
            raise
        except Exception as error:
            await self._resolved(name, endings.bug(error))
            raise
        if isinstance(found, int) or judge(found, Step.SESSION) is Verdict.REFUSED:
            await self._resolved(name, found)
        else:
            await self._waited_out(name, found)

    async def _waited_out(self, name: str, error: AiocdfError) -> None:
        """End the calls whose time to wait for a look-up is over, and look up again for newer calls."""
        now, patience = _clock.monotonic(), self._patience.seconds(error)
        over: deque[CallRecord] = deque()
        for record in self._resolving.pop(name):
            if now - record.created_at >= patience or record.ended:
                over.append(record)
            else:
                self._resolve(name, record)
        await in_slices(over, lambda record: self._found(record, error))

    async def _resolved(self, name: str, found: int | AiocdfError) -> None:
        waiting = self._resolving.pop(name)
        await in_slices(waiting, lambda record: self._found(record, found))

    def _found(self, record: CallRecord, found: int | AiocdfError) -> None:
        """Queue or track a call now that its function's id is known, unless it has ended."""
        if not isinstance(record.state, Resolving):
            return
        if isinstance(found, AiocdfError):
            record.fail(Event.REFUSED, found)
        elif record.state.call_id is None:
            record.move(Event.RESOLVED, self._starting.queued(found))
            self._enqueue(record, found)
        elif (followed := self._following.find(found, record.state.call_id)) is not None:
            record.merge_into(followed)
        else:
            running = Running(found, record.state.call_id, _clock.monotonic())
            record.move(Event.ATTACHED, running)
            self._following.attached(record, running)
            self._arm_polls()

    def _enqueue(self, record: CallRecord, function_id: int) -> None:
        self._gate.admission.enqueue(function_id, record.number, record)
        self._wake()

    # Calls that start

    def _wake(self) -> None:
        """Look for calls that may start, in the loop's next iteration: one look serves many wake-ups."""
        if not self._waking and not self._closed:
            self._waking = True
            self._tasks.soon(self._look)

    def _look(self) -> None:
        """Start workers for calls that may start, and make nonces for them and for the calls that start soon."""
        self._waking = False
        self._pauses.look()
        if self._closed or not self._gate.admission.queued:
            return
        most, given, now = self._settings.max_concurrent_submissions, 0, _clock.monotonic()
        while self._workers < most and (following := self._starting.next(now)) is not None:
            self._workers += 1
            given += 1
            self._tasks.spawn(self._work(*following))
        soon = 0 if self._gate.paused(now) else math.ceil(self._schedule.ends * _AHEAD)
        if self._workers >= min(most, self._gate.breakers.project.allowed):
            soon += self._gate.startable(now, most)
        self._nonces.prepare(given + min(soon, most, self._gate.admission.queued))
        self._arm_wake(now)

    def _arm_wake(self, now: float) -> None:
        """Look again when a window, a breaker or the rate opens by itself, or when patience ends."""
        if self._wake_timer is not None:
            self._wake_timer.cancel()
        opens_at = self._gate.opens_at(now) if self._workers < self._settings.max_concurrent_submissions else None
        expires_at = self._gate.expires_at(self._patience.seconds)
        if expires_at is not None and expires_at <= now:
            self._tasks.spawn(self._starting.expire())
        when = min((time for time in (opens_at, expires_at) if time is not None), default=None)
        self._wake_timer = None if when is None else self._tasks.at(max(when, now) + _TICK, self._wake)

    async def _work(self, record: CallRecord, submitting: Submitting) -> None:
        """Submit one call after the other until none may start."""
        try:
            following: tuple[CallRecord, Submitting] | None = (record, submitting)
            while following is not None:
                await self._starting.submit(*following)
                self._arm_polls()
                self._wake()  # more calls may start now, in other workers
                following = None if self._closed else self._starting.next(_clock.monotonic())
        finally:
            self._workers -= 1
            self._wake()

    # Calls that may have started

    async def find(
        self, interrupted: Sequence[Interrupted], *, known: Collection[int] = ()
    ) -> list[asyncio.Future[NotStarted | Started | Uncertain]]:
        """Find out which submissions of another process started, as `Doubts.find` does.

        Args:
            interrupted: All of them, because one assignment of calls to submissions decides them together.
            known: Ids of calls that belong to others.

        Raises:
            AiocdfError: A function's id could not be found.
        """
        functions: dict[int | str, int] = {}
        for name in {each.function for each in interrupted}:
            found = self._resolver.known(name) or await self._resolver.look_up(str(name), _clock.monotonic())
            if isinstance(found, AiocdfError):
                raise found
            functions[name] = found
        return self._doubts.find(interrupted, functions, known)

    def _changed(self) -> None:
        self._arm_polls()
        self._wake()

    # Calls that run

    def _arm_polls(self) -> None:
        """Set the one timer to the function that is due first."""
        due = None if self._closed else self._schedule.due_at()
        if self._poll_timer is not None:
            if not self._poll_timer.cancelled() and self._polls_at == due:
                return
            self._poll_timer.cancel()
        self._polls_at = due
        self._poll_timer = None if due is None else self._tasks.at(due, self._poll_due)

    def _poll_due(self) -> None:
        self._poll_timer = None
        for function_id in self._schedule.due(_clock.monotonic()):
            self._tasks.spawn(self._poll(function_id))
        self._arm_polls()

    async def _poll(self, function_id: int) -> None:
        """Poll a function's calls; places may be free afterwards, and the runtimes are better known."""
        try:
            report = await self._following.poll(function_id)
            self._patience.answered |= report.answered
            if report.recovered:
                self._gate.breakers.project.probe_soon(_clock.monotonic())
        finally:
            self._arm_polls()
            self._wake()

    # The end

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """End the open calls if the loop ends before the client: `asyncio.run` closes async generators last."""
        try:
            yield
        finally:
            if not self._closed:
                self._closed = True
                self._doubts.close()
                self._tasks.drop()
                why = "the event loop ended before the client was closed: use `async with` or `await client.aclose()`"
                for record in list(self._ledger.open.values()):
                    record.close(why)
                self._shared.desk = None

"""Runs calls: admits them within the service's limits, runs them, and stores their outcomes."""

from __future__ import annotations

import asyncio
import functools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.local.api.feed import Feed
from aiocdf.local.api.waiting import WaitingCalls
from aiocdf.local.http.one_line import one_line
from aiocdf.local.http.problems import Problem, TooManyCalls
from aiocdf.local.identity.issuer import digest
from aiocdf.local.runtime.invocation import Invocation, Outcome
from aiocdf.local.state.records import Access, Call, LogLine, accepted_at, now_ms

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from aiocdf.local.api.feed import CallState
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.runtime.executor import Executor
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Ids, Session
    from aiocdf.local.state.schedules import Schedule
    from aiocdf.local.state.store import Store
    from aiocdf.secret import Secret

__all__ = ["Executions"]

STOPPED = Outcome(status="Failed", message="the local server was stopped")
LOGS_EVERY = 1.0  # seconds
NOT_BEGUN = Outcome(status="Failed", message="the call was cancelled before the function started")
UNNOTICED_WAIT = 1000  # milliseconds
BROKEN = Outcome(
    status="Failed", message="the local server could not run the call; see the log of the server for the reason"
)


@attrs.define
class CallLog:
    """The lines that a call has printed so far, up to a maximum size."""

    _room: int
    _on_line: Callable[[], None]
    lines: list[LogLine] = attrs.field(factory=list, init=False)
    _taken: int = attrs.field(default=0, init=False)

    def add(self, timestamp: int, message: str) -> None:
        """Keep a line. At the maximum size, add a note that the following lines are dropped."""
        if self._room > 0:
            self._room -= len(message) + 1
            self.lines.append(LogLine(timestamp, message))
            if self._room <= 0:
                self.lines.append(LogLine(timestamp, "the log of this call is too long: the rest is dropped"))
            self._on_line()

    def take_new(self) -> list[LogLine]:
        """Return the lines since the last call of this method."""
        new = self.lines[self._taken :]
        self._taken = len(self.lines)
        return new


@attrs.define(kw_only=True)
class Progress:
    """Updates the start time of a call if it waited long for a process.

    Shorter waits do not change the start time, so that clients can find a call by the time at which they sent it.
    """

    call: Call
    _store: Store
    _update: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def begin(self) -> None:
        """Record that the function starts to run now."""
        now = now_ms()
        if now - self.call.start_time > UNNOTICED_WAIT:
            self.call = attrs.evolve(self.call, start_time=now)
            self._update = asyncio.create_task(self._store.update_call(self.call))

    async def written(self) -> Call:
        """Return the call when its start time is stored."""
        if self._update is not None:
            await asyncio.wait([self._update])
        return self.call


@attrs.define(kw_only=True)
class Executions:
    """The running calls, each in its own task. `aclose` ends them.

    Args:
        store: Stores calls and their outcomes.
        issuer: Issues the tokens of the functions' clients.
        executor: Runs functions.
        ids: Generates the ids of calls.
        limits: How many calls may run at once, and the sizes of their logs and responses.
        base_url: The URL of the server for functions.
        project: The name of the project.
        log: The logger for the starts and ends of calls.
        feed: Reports each change of a call to readers.
    """

    _store: Store
    _issuer: Issuer
    _executor: Executor
    _ids: Ids
    _limits: Limits
    _base_url: str
    _project: str
    _log: logging.Logger
    _feed: Feed = attrs.field(factory=Feed)
    _running: Counter[int] = attrs.field(factory=Counter, init=False)
    _logs: dict[int, CallLog] = attrs.field(factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _keeper: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _waiting: WaitingCalls = attrs.field(init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Start without calls."""
        self._waiting = WaitingCalls(self._log)

    async def start(self, function: Function, nonce: Secret, data: Mapping[str, Any]) -> Call:
        """Bind the nonce's session and start a call. The call continues to run after this returns.

        Raises:
            Problem: Too many calls run, or the nonce is not valid. No call was started.
        """
        self._admit(function.id)
        try:
            session = await self._bound(function.id, nonce)
            return await self._begin(self._new_call(function), function, session, data)
        except BaseException:
            self._release(function.id)
            raise

    async def start_scheduled(self, function: Function, session: Session, schedule: Schedule, time: int) -> Call:
        """Start the call of a schedule, with the session that the schedule was created with.

        Raises:
            Problem: Too many calls run. No call was started.
        """
        self._admit(function.id)
        try:
            return await self._begin(self._new_call(function, schedule, time), function, session, schedule.data or {})
        except BaseException:
            self._release(function.id)
            raise

    async def refuse_scheduled(self, function: Function, schedule: Schedule, time: int, reason: str) -> None:
        """Store the call of a schedule as Failed, with the reason also in its log."""
        call = self._new_call(function, schedule, time)
        await self._store.add_call(call)
        failed = attrs.evolve(call, status="Failed", end_time=call.start_time, message=reason)
        await self._store.finish_call(failed, None, [LogLine(call.start_time, reason)])
        self._feed.call_changed(failed, failed.status)

    def log(self, call_id: int) -> Sequence[LogLine] | None:
        """Return the lines that a running call has printed so far; None if it is not running."""
        running = self._logs.get(call_id)
        return None if running is None else running.lines

    def state(self, call: Call) -> CallState:
        """Return the status of a call, or Queued if the function has not started to run."""
        return "Queued" if call.id in self._waiting else call.status

    def end_waiting(self) -> int:
        """End the calls whose function has not started, as Failed. Return how many there were."""
        return self._waiting.end()

    async def aclose(self) -> None:
        """Stop starting calls, and end the running ones as Failed."""
        self._closed = True
        await asyncio.sleep(0)  # a task that is cancelled before its first step would not store the end of its call
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _keep_logs(self) -> None:
        """Store the new log lines of running calls at intervals, so that they survive if the server is killed."""
        while self._logs:
            await asyncio.sleep(LOGS_EVERY)
            for call_id, log in self._logs.items():
                if lines := log.take_new():
                    self._store.add_log(call_id, lines)
        self._keeper = None

    def _new_call(self, function: Function, schedule: Schedule | None = None, time: int | None = None) -> Call:
        call_id = self._ids.take()
        return Call(
            id=call_id,
            function_id=function.id,
            status="Running",
            start_time=accepted_at(call_id),
            schedule_id=None if schedule is None else schedule.id,
            scheduled_time=time,
        )

    async def _begin(self, call: Call, function: Function, session: Session, data: Mapping[str, Any]) -> Call:
        """Store an admitted call, and run it in its own task."""
        await self._store.add_call(call)
        self._logs[call.id] = CallLog(self._limits.log_bytes, functools.partial(self._feed.log_grew, call.id))
        task = asyncio.create_task(self._run(call, function, session, data), name=f"call {call.id}")
        self._waiting.add(call.id, task)
        self._feed.call_changed(call, "Queued")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_logs(), name="aiocdf-logs")
        return call

    def _admit(self, function_id: int) -> None:
        """Count a call as running, or reject it. Nothing is awaited between the check and the count."""
        if self._closed:
            raise Problem(503, "The local server is stopping: start it again")
        for owner, running, most in (
            ("Function", self._running[function_id], self._limits.calls_per_function),
            ("Project", self._running.total(), self._limits.calls_per_project),
        ):
            if running >= most:
                raise TooManyCalls(
                    f"{owner} exceeded maximum number='{most}' of concurrent calls. Please try again later."
                )
        self._running[function_id] += 1

    def _release(self, function_id: int) -> None:
        self._running[function_id] -= 1

    async def _bound(self, function_id: int, nonce: Secret) -> Session:
        session = await self._store.bind_session(digest(nonce), now_ms())
        if session is None:
            raise Problem(400, f"Failed to bind session using nonce for: {function_id}")
        return session

    async def _run(self, call: Call, function: Function, session: Session, data: Mapping[str, Any]) -> None:
        outcome, progress = STOPPED, Progress(call=call, store=self._store)

        def begin() -> None:
            self._waiting.remove(call.id)
            progress.begin()
            self._feed.call_changed(progress.call, "Running")

        try:
            outcome = await self._outcome(call, function, session, data, begin)
        except Exception:  # noqa: BLE001 - after any error, the call must end
            self._log.exception(
                "call %s of %s failed because of an error in the executor", call.id, function.deployment.external_id
            )
            outcome = BROKEN
        finally:
            if self._waiting.remove(call.id):
                outcome = NOT_BEGUN
            # Release before storing the end: a client that sees the end may start its next call immediately.
            self._release(call.function_id)
            await self._finish(await progress.written(), function, self._within_limit(outcome))

    async def _outcome(
        self,
        call: Call,
        function: Function,
        session: Session,
        data: Mapping[str, Any],
        on_begin: Callable[[], None],
    ) -> Outcome:
        """Run the call with a token of its session. The token is revoked when the call ends."""
        token = await self._issuer.issue(
            Access(
                client_id=session.client_id,
                capabilities=session.capabilities,
                expires=math.inf,
                session_id=session.id,
                depth=session.depth,
            )
        )
        invocation = Invocation(
            call_id=call.id,
            function_id=function.id,
            data=data,
            base_url=self._base_url,
            project=self._project,
            token=token,
            schedule_id=call.schedule_id,
            scheduled_time=call.scheduled_time,
        )
        try:
            return await self._executor.run(function.build.deployment, invocation, self._logs[call.id].add, on_begin)
        finally:
            await self._issuer.revoke(token)

    def _within_limit(self, outcome: Outcome) -> Outcome:
        """Return the outcome; Failed if the response is larger than the service allows."""
        size, limit = len(outcome.response or b""), self._limits.response_bytes
        if size <= limit:
            return outcome
        message = f"the response is {size} bytes of JSON: return at most {limit} bytes"
        return Outcome(status="Failed", message=message)

    async def _finish(self, call: Call, function: Function, outcome: Outcome) -> None:
        ended = attrs.evolve(
            call,
            status=outcome.status,
            end_time=max(now_ms(), call.start_time),
            message=outcome.message,
            trace=outcome.trace,
        )
        try:
            await self._store.finish_call(ended, outcome.response, self._logs[call.id].take_new())
        except Exception:  # noqa: BLE001 - the call has ended even if storing its end fails
            self._log.exception("storing the end of call %s of %s failed", call.id, function.deployment.external_id)
        finally:
            del self._logs[call.id]
        self._feed.call_changed(ended, ended.status)
        self._feed.log_grew(call.id)
        seconds = (now_ms() - call.start_time) / 1000
        reason = f": {one_line(ended.message)}" if ended.message else ""
        self._log.info(
            "call %s of %s: %s in %.3f s%s", call.id, function.deployment.external_id, ended.status, seconds, reason
        )

"""The run of a durable map: which inputs are submitted, attached to or recovered, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from aiocdf import _clock
from aiocdf.batch import outcomes, submitting
from aiocdf.batch.inputs import BadRecord
from aiocdf.batch.journal import Outcome, Sending
from aiocdf.batch.statuses import RETRIED_AS_FAILED, InputStatus
from aiocdf.errors import AiocdfError, CallError, ClientClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from aiocdf.batch.inputs import Record, Source
    from aiocdf.batch.journal import Entry, Journal
    from aiocdf.batch.pacing import Pacing
    from aiocdf.batch.progress import Tally
    from aiocdf.batch.settings import MapSettings
    from aiocdf.client import Client
    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall

__all__ = ["Run"]

T = TypeVar("T")

# Seconds by which the clocks of the service and of this computer may differ.
_CLOCKS_APART = 300.0
# Seconds by which a POST is sent in any case.
_LATEST = 1.0
# Seconds between two looks at the queue of a stopping run.
_LOOK_AGAIN = 0.25


@attrs.define(kw_only=True, eq=False)
class _Input:
    """One input on its way to a result."""

    line: int
    #: As JSON; None for the line number.
    key: str | None
    status: InputStatus | None
    data: Any = None
    #: When its POST was to be sent, if this run sent it.
    sent_from: float | None = None
    handle: CallHandle | None = None


class _Turns:
    """A lock that counts the tasks that wait for it or hold it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.waiting = 0

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self.waiting -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self.waiting -= 1
        self._lock.release()


@attrs.define(kw_only=True, eq=False)
class Run:
    """Works through the inputs of a map, from the state of the journal on."""

    client: Client
    function: int | str
    settings: MapSettings
    source: Source
    journal: Journal
    tally: Tally
    pacing: Pacing
    #: Once set, no input is begun, and those that run are waited for.
    stop: asyncio.Event
    #: What ended the run before its end.
    fault: AiocdfError | None = None
    _room: asyncio.Semaphore = attrs.field(init=False)
    #: Inputs that have not been accepted yet, and those of them whose POST may be under way.
    _begun: set[_Input] = attrs.field(factory=set, init=False)
    _unanswered: set[_Input] = attrs.field(factory=set, init=False)
    _all_answered: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    #: One POST after the other.
    _turn: _Turns = attrs.field(factory=_Turns, init=False)
    _group: asyncio.TaskGroup = attrs.field(factory=asyncio.TaskGroup, init=False)

    def __attrs_post_init__(self) -> None:
        """Make room for as many calls as the client lets run of a function, and for some that wait."""
        limits = self.client.settings
        self._room = asyncio.Semaphore(
            self.settings.max_pending or limits.function_limit + limits.max_concurrent_submissions
        )

    async def work(self) -> None:
        """Bring each input to a result, or as many as there is time for until `stop` is set."""
        drain = asyncio.create_task(self._drain())
        try:
            async with self._group:
                await self._feed()
        finally:
            await _end(drain)

    async def _feed(self) -> None:
        try:
            await self._resume()
            async for chunk in self.source.chunks():
                for each in await self._new(chunk):
                    await self._begin(self._submit(each))
                if self.stop.is_set():
                    break
        except AiocdfError as error:
            self._fail(error)
        except (OSError, sqlite3.Error) as error:
            self._fail(AiocdfError(f"cannot read the inputs or the journal any more: {error}"))

    async def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the work on an input once there is room, unless the run is stopping."""
        await self._room.acquire()
        if self.stop.is_set():
            self._room.release()
            work.close()
        else:
            self._group.create_task(work).add_done_callback(lambda _: self._room.release())

    async def _drain(self) -> None:
        """When the run stops, cancel the queued calls, and those that return to the queue."""
        await self.stop.wait()
        self.tally.draining = True
        while True:
            for each in list(self._begun):
                if each.handle is not None and each.handle.status == "Queued":
                    each.handle.cancel()
            await _clock.sleep(_LOOK_AGAIN)

    def _fail(self, error: AiocdfError) -> None:
        """Stop for a reason that would befall the other inputs, too."""
        self.fault = self.fault or error
        self.stop.set()

    # What an earlier run has left

    async def _resume(self) -> None:
        """Attach to running calls, and find out which interrupted submissions started a call."""
        interrupted = await self.journal.with_status(InputStatus.Submitting)
        if interrupted:
            self._group.create_task(self._recover(interrupted))
        for entry in await self.journal.with_status(InputStatus.Running, InputStatus.Lost):
            await self._begin(self._attach(entry))

    async def _attach(self, entry: Entry) -> None:
        assert entry.function is not None  # noqa: S101 - the call was accepted
        assert entry.call is not None  # noqa: S101
        each = _Input(line=entry.line, key=entry.key, status=entry.status)
        each.handle = self.client.attach(entry.function, entry.call)
        await self._follow(each)

    async def _recover(self, interrupted: list[Entry]) -> None:
        """Attach to the calls that were started, submit those that were not, and report the others as uncertain."""
        since = min(entry.sent_from or 0.0 for entry in interrupted) - _CLOCKS_APART
        known = await self.journal.calls_since(since)
        records = {record.line: record for record in await self.source.pick([entry.line for entry in interrupted])}
        self.tally.recovering = len(interrupted)
        searching = submitting.find(self.client, self.function, interrupted, known)
        try:
            while (found := await self._unless_stopped(_next(searching))) is not None:
                self.tally.recovering -= 1
                entry, what = found
                await self._settle(entry, what, records[entry.line])
        finally:
            self.tally.recovering = 0
            await searching.aclose()

    async def _settle(self, entry: Entry, what: submitting.Found, record: Record) -> None:
        each = _Input(line=entry.line, key=entry.key, status=entry.status)
        if what.doubt is not None:
            error = {"type": "SubmissionUncertain", "message": what.doubt, "trace": None}
            self._end(each, Outcome(status=InputStatus.Uncertain, error=error))
        elif what.call is not None:
            await self._begin(self._adopt(each, what.call))
        else:
            each.data = record.data()
            await self._begin(self._submit(each))

    async def _adopt(self, each: _Input, call: FunctionCall) -> None:
        self._accepted(each, call)
        each.handle = self.client.attach(call.function_id, call.id)
        await self._follow(each)

    async def _unless_stopped(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run *work*, and cancel it when the run stops."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        except AiocdfError as error:
            self._fail(error)
            return None
        finally:
            await _end(task, stop)

    # New inputs

    async def _new(self, chunk: list[Record]) -> list[_Input]:
        """Return the records to submit now; record invalid ones."""
        before = await self.journal.entries(chunk[0].line, chunk[-1].line)
        wanted = [record for record in chunk if self._is_wanted(before.get(record.line))]
        read = await asyncio.to_thread(lambda: [_read(record, self.settings.key) for record in wanted])
        taken = await self._take_keys(read)
        inputs = []
        for record, key, data in read:
            each = _Input(line=record.line, key=key, status=None, data=data)
            if (entry := before.get(record.line)) is not None:
                each.status = entry.status
            if isinstance(data, BadRecord):
                self._invalid(each, str(data))
            elif record.line in taken:
                self._invalid(each, f"its key {key} is that of line {taken[record.line]}")
            else:
                inputs.append(each)
        return inputs

    def _is_wanted(self, entry: Entry | None) -> bool:
        if entry is None:
            return True
        if entry.outcome is None or entry.outcome > self.journal.last_outcome_before:
            return False  # it is on its way, or has come to its end in this run
        return (self.settings.retry_failed and entry.status in RETRIED_AS_FAILED) or (
            self.settings.retry_uncertain and entry.status is InputStatus.Uncertain
        )

    async def _take_keys(self, read: Iterable[tuple[Record, str | None, Any]]) -> dict[int, int]:
        keys = {record.line: key for record, key, _ in read if key is not None}
        return await self.journal.take_keys(keys) if keys else {}

    def _invalid(self, each: _Input, why: str) -> None:
        error = {"type": "InvalidInput", "message": f"line {each.line}: {why}", "trace": None}
        outcome = Outcome(status=InputStatus.Invalid, error=error)
        self.journal.ended_unsent(each.line, each.key, outcome)
        self._move(each, outcome.status)

    # One input

    async def _submit(self, each: _Input) -> None:
        self._begun.add(each)
        try:
            accepted = await self._start(each)
        except AiocdfError as error:
            self._not_started(each, error)
        except asyncio.CancelledError:
            # A queued call never starts; one that may have been sent stays in the journal as it is.
            if each.handle is not None:
                each.handle.cancel()
            if each.handle is None or _is_cancelled():
                raise
        else:
            self._accepted(each, accepted)
            self._begun.discard(each)
            await self._follow(each)
        finally:
            self._begun.discard(each)
            self._answered(each)

    async def _start(self, each: _Input) -> FunctionCall:
        before_post = partial(self._before_post, each)
        each.handle = submitting.call(self.client, self.function, each.data, before_post)
        each.data = None
        if self.stop.is_set():
            each.handle.cancel()
        return await each.handle.submitted()

    async def _before_post(self, each: _Input, session: int | None) -> None:
        """Put on disk that a POST may be sent from now on, and wait for its moment."""
        self._answered(each)  # a POST before, if this is another
        async with self._turn:
            await self._others_answered()
            if self.stop.is_set() and each.status is not InputStatus.Submitting:
                if each.handle is not None:
                    each.handle.cancel()  # so that the POST is not sent
                return
            slot = self.pacing.next(_clock.wall())
            self._unanswered.add(each)
        each.sent_from, began = slot.at, _clock.monotonic()
        sending = Sending(
            session=session,
            sent_from=slot.at,
            starts_after=slot.starts_after,
            clock=_clock.wall() - _clock.uptime(),
        )
        await self.journal.submitting(each.line, each.key, sending)
        self._move(each, InputStatus.Submitting)
        self.pacing.committed(_clock.monotonic() - began)
        # Never earlier: the journal has this time as a bound. The limit is for a clock that was set back.
        await _clock.sleep(min(max(0.0, slot.at - _clock.wall()), _LATEST))

    async def _others_answered(self) -> None:
        """Wait until no POST is under way, for as long as the pacing has it."""
        patience = self.pacing.patience(_clock.wall(), self._turn.waiting)
        if self._unanswered and patience > 0.0:
            self._all_answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._all_answered.wait()

    def _answered(self, each: _Input) -> None:
        self._unanswered.discard(each)
        if not self._unanswered:
            self._all_answered.set()

    def _not_started(self, each: _Input, error: AiocdfError) -> None:
        outcome = outcomes.not_started(error)
        if outcome is None:
            self._fail(error)
            if each.status is InputStatus.Submitting and not isinstance(error, ClientClosed):
                self.journal.withdrawn(each.line)
                self._move(each, None)
        elif each.status is InputStatus.Submitting:
            self._end(each, outcome)
        else:
            self.journal.ended_unsent(each.line, each.key, outcome)
            self._move(each, outcome.status)

    def _accepted(self, each: _Input, call: FunctionCall) -> None:
        started = call.start_time.timestamp()
        if each.sent_from is not None:
            self.pacing.accepted(each.sent_from, started)
        self._answered(each)
        self.journal.running(each.line, call.function_id, call.id, started)
        self._move(each, InputStatus.Running)

    async def _follow(self, each: _Input) -> None:
        """Wait for the end of an accepted call, and record its outcome."""
        assert each.handle is not None  # noqa: S101 - of the call
        try:
            outcome = await _outcome(each.handle)
            if outcome.ended is not None:
                self.pacing.ended(each.handle.elapsed)
        except AiocdfError as error:
            self._fail(error)  # the next run attaches to it again
        else:
            self._end(each, outcome)

    def _end(self, each: _Input, outcome: Outcome) -> None:
        self.journal.ended(each.line, outcome)
        self._move(each, outcome.status)

    def _move(self, each: _Input, status: InputStatus | None) -> None:
        self.tally.moved(each.status, status)
        each.status = status


def _read(record: Record, field: str | None) -> tuple[Record, str | None, Any]:
    """Return a record with its key and its data, or with why it has none."""
    try:
        return record, None if field is None else record.key(field), record.data()
    except BadRecord as error:
        return record, None, error


async def _outcome(handle: CallHandle) -> Outcome:
    try:
        call = await handle
    except CallError as error:
        return outcomes.not_completed(error)
    try:
        return outcomes.completed(call, await handle.response())
    except AiocdfError as error:
        outcome = outcomes.not_read(call, error)
        if outcome is None:
            raise
        return outcome


async def _next(items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""Running calls: tracks them, and applies the reports of polls."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf._policy.lifecycle import Event, Running
from aiocdf._policy.schedule import Demand
from aiocdf._policy.watch import milliseconds
from aiocdf._wire import endings
from aiocdf.errors import ProtocolError
from aiocdf.telemetry import CallEnded, CallsPolled

if TYPE_CHECKING:
    from aiocdf._engine.ledger import Ledger
    from aiocdf._engine.poller import Poller, PollReport
    from aiocdf._engine.records import CallRecord
    from aiocdf._engine.resolver import Resolver
    from aiocdf._policy.gate import Gate
    from aiocdf._policy.schedule import Schedule
    from aiocdf._policy.servertime import ServerTime
    from aiocdf._policy.watch import Loss
    from aiocdf.models.calls import FunctionCall
    from aiocdf.telemetry.observers import Observers

__all__ = ["Following"]


class Following:
    """Tracks running calls until they end.

    Args:
        poller: Polls them.
        schedule: When each function is polled.
        gate: Counts their places.
        ledger: Counts their ends.
        resolver: Forgets the ids of functions whose calls are lost.
        server_time: The estimate of the service's clock.
        emit: Receives an event for each poll and each end.
    """

    def __init__(
        self,
        *,
        poller: Poller,
        schedule: Schedule,
        gate: Gate[CallRecord],
        ledger: Ledger,
        resolver: Resolver,
        server_time: ServerTime,
        emit: Observers,
    ) -> None:
        self._poller = poller
        self._schedule = schedule
        self._gate = gate
        self._ledger = ledger
        self._resolver = resolver
        self._server_time = server_time
        self._emit = emit
        self._records: defaultdict[int, dict[int, CallRecord]] = defaultdict(dict)

    def find(self, function_id: int, call_id: int) -> CallRecord | None:
        """Return the record that tracks a call already; None if there is none."""
        records = self._records.get(function_id)
        return records.get(call_id) if records else None

    def attached(self, record: CallRecord, running: Running) -> None:
        """Track a call that was started elsewhere; it occupies a place like any other."""
        self._gate.admission.occupy(running.function_id)
        self._records[running.function_id][running.call_id] = record
        self._schedule.follow(running.function_id, running.call_id, running.since, running.since, None)

    def accepted(self, record: CallRecord, running: Running, call: FunctionCall) -> None:
        """Track a call that was just accepted."""
        other = self.find(running.function_id, running.call_id)
        if other is not None:
            # A handle was attached to it before its own POST was answered.
            self._forget(running)
            other.merge_into(record)
            self._gate.admission.vacate(running.function_id)
        self._records[running.function_id][running.call_id] = record
        if call.ended:
            self._ended(record, running, call)
        else:
            demand = self._demand(running.function_id)
            now = _clock.monotonic()
            start = milliseconds(call.start_time)
            self._schedule.follow(running.function_id, running.call_id, running.since, now, demand, start=start)

    async def poll(self, function_id: int) -> PollReport:
        """Poll a function's calls; an interrupted poll counts as a poll without an answer."""
        if self._emit.listening:
            self._emit(CallsPolled(function_id=function_id, call_ids=tuple(self._records.get(function_id, ()))))
        try:
            report = await self._poller.poll(function_id)
        except asyncio.CancelledError:
            self.apply(self._poller.cut_short(function_id, ProtocolError("the task that polled it was cancelled")))
            raise
        except Exception as error:
            self.apply(self._poller.cut_short(function_id, endings.bug(error)))
            raise
        self.apply(report)
        return report

    def apply(self, report: PollReport) -> None:
        """Apply the report of a poll, and schedule the next poll."""
        for call, since in report.seen:
            record = self.find(report.function_id, call.id)
            if record is None or not isinstance(record.state, Running):
                continue
            running = record.see(record.state, call, since)
            if call.ended:
                self._ended(record, running, call)
        for call_id, loss in report.lost.items():
            record = self.find(report.function_id, call_id)
            if record is not None and isinstance(record.state, Running):
                self._lost(record, record.state, loss)
        self._schedule.polled(report.function_id, _clock.monotonic(), self._demand(report.function_id))

    def _demand(self, function_id: int) -> Demand:
        awaited = self._gate.admission.awaits(function_id, _clock.monotonic())
        return Demand(max(1, len(self._ledger.open)), awaited, _clock.jitter(0.9, 1.1))

    def _ended(self, record: CallRecord, running: Running, call: FunctionCall) -> None:
        """Free the place of a call whose end was seen, and end its handles."""
        now = _clock.monotonic()
        self._forget(running)
        self._gate.admission.leave(running.function_id, now)
        lag = None
        if call.end_time is not None and self._server_time.offset is not None:
            lag = max(0.0, now - self._server_time.local(call.end_time.timestamp(), now))
            self._ledger.lagged(lag)
        if self._emit.listening:
            self._report_end(record, call, lag)
        if record.repeats(call):
            record.repeat(running, call)
        else:
            record.finish(call)

    def _report_end(self, record: CallRecord, call: FunctionCall, lag: float | None) -> None:
        self._emit(
            CallEnded(
                number=record.number,
                function_id=call.function_id,
                call_id=call.id,
                status=str(call.status),
                runtime=call.runtime,
                lag=lag,
            )
        )

    def _lost(self, record: CallRecord, running: Running, loss: Loss) -> None:
        """End the handles of a lost call; its place counts as free."""
        self._forget(running)
        self._gate.admission.leave(running.function_id, _clock.monotonic())
        if isinstance(record.function, str):
            self._resolver.forget(record.function)  # it may be another function by now
        which = f"{record.which} was lost after {record.elapsed:.0f} s"
        error = endings.lost(which, loss.reason, known=loss.known, call=running.call, ref=record.ref)
        error.__cause__ = loss.cause
        record.fail(Event.LOST, error)

    def _forget(self, running: Running) -> None:
        records = self._records.get(running.function_id, {})
        records.pop(running.call_id, None)
        if not records:
            self._records.pop(running.function_id, None)
        self._schedule.forget(running.function_id, running.call_id)

"""Submissions in doubt: reads the service's signs for many at once, and returns the decided ones.

The decisions are in `_policy/recovery.py`. One request reads the sessions of all cases that are due, and one list the
calls of a function.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from aiocdf import _clock
from aiocdf._policy.recovery import Case, Decision, Listing, Need, Uncertain, assign, decide, need
from aiocdf._policy.servertime import ServerTime
from aiocdf._wire.json import server_date
from aiocdf.errors import AiocdfError, ApiError, DecodeError, PermissionDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aiocdf._engine.service import Service
    from aiocdf._policy.answer_times import AnswerTimes
    from aiocdf._wire.http import Response
    from aiocdf.models.calls import FunctionCall

__all__ = ["Found", "Known", "Recovering"]

T = TypeVar("T")

_log = logging.getLogger("aiocdf.engine")

# The maximum number of sessions in one request.
_CHUNK = 1000
# Seconds between two looks at a list whose calls may belong to POSTs that have no outcome yet.
_AGAIN = 0.25
# Seconds that a POST takes if none was answered yet, and by which the two clocks of the service may differ.
_POST, _SKEW = 1.0, 2.0
# Time limits of requests in seconds: the later a session is read, the wider is the window of its call.
_SESSION_TIMEOUT, _LIST_TIMEOUT = 2.0, 4.0
# Failed requests for a session after which other POSTs of the function no longer wait for it.
_TRIES = 3
# A loop may call a timer a clock tick too early.
_TICK = 1e-6
# Seconds for which the calls of this client are remembered.
_REMEMBERED = 3600.0


class Known:
    """The calls that this client has started, and the estimate of the service's clock from their answers.

    Args:
        dates: The estimate from the `Date` headers, which may be of another clock than start times.
        posts: The durations of POSTs.
    """

    def __init__(self, dates: ServerTime, posts: AnswerTimes) -> None:
        self._dates = dates
        self._posts = posts
        self._starts = ServerTime()
        self._calls: dict[int, dict[int, float]] = defaultdict(dict)

    def add(self, call: FunctionCall) -> None:
        """Record a call of this client."""
        calls, now = self._calls[call.function_id], _clock.monotonic()
        calls[call.id] = now
        while now - calls[first := next(iter(calls))] > _REMEMBERED:
            del calls[first]

    def accepted(self, call: FunctionCall, response: Response) -> None:
        """Record the answer to a POST."""
        self.add(call)
        sent_at, received_at = response.sent_at, response.received_at
        self._starts.observe(call.start_time.timestamp(), sent_at=sent_at, received_at=received_at, resolution=0.001)

    def calls(self, function_id: int) -> Collection[int]:
        """Return the ids of this client's calls of a function."""
        return self._calls.get(function_id, {})

    @property
    def posts(self) -> float:
        """The longest time in seconds that a POST takes."""
        return self._posts.longest or _POST

    def clock(self) -> tuple[float, float]:
        """Return the bounds of the service's clock minus this client's, for start times."""
        now = _clock.monotonic()
        if (bounds := self._starts.bounds(now)) is not None:
            return bounds
        if (bounds := self._dates.bounds(now)) is not None:
            return bounds[0] - _SKEW, bounds[1] + _SKEW
        return -math.inf, math.inf

    def dated(self, response: Response) -> None:
        """Record the date of an answer."""
        self._dates.observe_date(server_date(response), sent_at=response.sent_at, received_at=response.received_at)


@attrs.frozen
class Found(Generic[T]):
    """A decided submission."""

    owner: T
    case: Case
    decision: Decision


class Recovering(Generic[T]):
    """Reads the signs for submissions in doubt until each is decided.

    Args:
        service: Reads sessions and calls.
        known: The calls of this client.
        patience: Seconds until recovery gives up; None for no limit.
        under_way: Returns how many attempts of a function are under way.
        looked: Called with a case after its session was read for the first time, or is not readable.
    """

    def __init__(
        self,
        *,
        service: Service,
        known: Known,
        patience: float | None,
        under_way: Callable[[int], int],
        looked: Callable[[Case], None],
    ) -> None:
        self._service = service
        self._known = known
        self._patience = math.inf if patience is None else patience
        self._under_way = under_way
        self._looked = looked
        self._cases: dict[Case, T] = {}
        #: Cases whose session was not read yet.
        self._new: set[Case] = set()
        #: Cases whose nonce will be sent again. Their sessions are read along with others, for narrower windows.
        self._kept: set[Case] = set()
        #: Ids of calls of others, which the caller of `add` knows.
        self._others: dict[Case, Collection[int]] = {}
        #: Lists that wait for POSTs under way, with their cases, by function.
        self._lists: dict[int, tuple[Listing, list[Case]]] = {}
        self._again_at = math.inf
        #: False after the service refused to read sessions.
        self._readable = True

    def add(self, case: Case, owner: T, *, new: bool, others: Collection[int] = ()) -> None:
        """Add a case.

        Args:
            case: The case.
            owner: The submission, which the decision is returned with.
            new: Whether to call `looked` after the session was read.
            others: Ids of calls that are not this one.
        """
        self._cases[case] = owner
        self._kept.discard(case)
        if others:
            self._others[case] = others
        if not self._readable or case.session_id is None:
            case.unreadable(self._known.clock())
        if new:
            self._new.add(case)
            if case.session_id is None:
                self._no_longer_new(case)

    def keep(self, case: Case) -> None:
        """Read the session of a case along with others, until it is closed or added again."""
        self._kept.add(case)

    def due_at(self, what: Need) -> float | None:
        """Return when *what* is due next; None if it is not."""
        waiting = {case for _, cases in self._lists.values() for case in cases}
        times = [
            at for case in self._cases if case not in waiting and (needed := need(case))[0] is what for at in needed[1:]
        ]
        if what is Need.CALLS and self._lists:
            times.append(self._again_at)
        return min(times, default=None)

    async def ask(self, what: Need) -> list[Found[T]]:
        """Send the requests that are due, and return the cases that are decided."""
        self._drop_closed()
        found: list[Found[T]] = []
        if what is Need.SESSION:
            await self._read_sessions()
        else:
            found = await self._read_lists()
        decisions = {case: decide(case, _clock.monotonic(), patience=self._patience) for case in self._cases}
        return found + self._decided(decisions)

    def _due(self, what: Need) -> dict[int, list[Case]]:
        """Return the cases for which *what* is due now, by function."""
        due: defaultdict[int, list[Case]] = defaultdict(list)
        now = _clock.monotonic()
        for case in self._cases:
            needed, at = need(case)
            if needed is what and at <= now + _TICK:
                due[case.function_id].append(case)
        return due

    async def _read_sessions(self) -> None:
        due = [case for cases in self._due(Need.SESSION).values() for case in cases]
        also = list(self._kept) if due else []
        for first in range(0, len(due) + len(also), _CHUNK):
            await self._read_chunk([*due, *also][first : first + _CHUNK])
        for case in [case for case in self._new if case in due and (not case.failures or case.failures > _TRIES)]:
            self._no_longer_new(case)

    async def _read_lists(self) -> list[Found[T]]:
        waiting = {case for _, cases in self._lists.values() for case in cases}
        due = {function: cases for function, cases in self._due(Need.CALLS).items() if not waiting.issuperset(cases)}
        listed = await asyncio.gather(*(self._list(function, cases) for function, cases in due.items()))
        found = [each for some in listed for each in some]
        self._again_at = _clock.monotonic() + _AGAIN
        for function_id in list(self._lists):
            found += self._assign(function_id)
        return found

    async def _read_chunk(self, cases: Sequence[Case]) -> None:
        asked_at = _clock.monotonic()
        ids = {case.session_id: case for case in cases if case.session_id is not None}
        try:
            sessions, response = await self._service.sessions(ids, within=_SESSION_TIMEOUT)
        except AiocdfError as error:
            self._not_read(cases, error)
            return
        self._known.dated(response)
        status = {session.id: session.status for session in sessions}
        clock = self._known.clock()
        for session_id, case in ids.items():
            case.looked(status.get(session_id), asked_at, response.received_at, clock)

    def _not_read(self, cases: Sequence[Case], error: AiocdfError) -> None:
        """Record that sessions were not read: this time, some of them, or all for lack of a permission."""
        clock, now = self._known.clock(), _clock.monotonic()
        if isinstance(error, PermissionDenied) and self._readable:
            self._readable = False
            _log.warning(
                "sessions are not readable (%s). If an answer to a call gets lost, only the list of calls shows "
                "whether the call started, and SubmissionUncertain is more likely.",
                error,
                extra={"event": "sessions_not_read"},
            )
        unknown = {item.get("id") for item in error.missing} if isinstance(error, ApiError) else set()
        for case in self._cases if not self._readable else cases:
            if not self._readable or case.session_id in unknown:
                case.unreadable(clock)
            elif not unknown:
                case.failed(now)

    async def _list(self, function_id: int, cases: list[Case]) -> list[Found[T]]:
        """List the calls of a function that started in the time of these cases."""
        try:
            if math.isinf(self._known.clock()[0]):
                _, response = await self._service.started(function_id, 0.0, 0.0, within=_LIST_TIMEOUT)  # for its date
                self._known.dated(response)
            clock = self._known.clock()
            for case in cases:
                case.timed(clock)
            asked_at = _clock.monotonic()
            earliest = min(case.begun for case in cases)
            latest = max(min(case.by, asked_at + clock[1]) for case in cases)
            if math.isinf(earliest) or math.isinf(latest):
                raise DecodeError("list calls: no answer has a Date header, so start times are not comparable")
            calls, response = await self._service.started(function_id, earliest, latest, within=_LIST_TIMEOUT)
        except AiocdfError as error:
            if isinstance(error, PermissionDenied):
                return self._decided({case: Uncertain((), str(error)) for case in cases if case in self._cases})
            for case in cases:
                case.failed(_clock.monotonic())
            return []
        self._known.dated(response)
        for case in cases:
            case.failures, case.retry_at = 0, -math.inf
        self._lists[function_id] = Listing(asked_at, tuple(calls)), cases
        return []

    def _assign(self, function_id: int) -> list[Found[T]]:
        """Decide by a list; cases whose calls may belong to others wait with it, and the rest need a new list."""
        listing, cases = self._lists.pop(function_id)
        cases = [case for case in cases if case in self._cases and not case.closed]
        others = {call_id for case in cases for call_id in self._others.get(case, ())}
        known = {*self._known.calls(function_id), *others}
        waits = self._under_way(function_id) > 0 or self._others_open(function_id, cases)
        decided = assign(cases, listing, known, _clock.monotonic(), waits=waits)
        found = self._decided(decided)
        left = [case for case in cases if case not in decided]
        waiting = [case for case in left if any(call.id not in known and case.owns(call) for call in listing.calls)]
        for case in left:
            if case not in waiting:
                case.lists += 1
        if waiting:
            self._lists[function_id] = listing, waiting
        return found

    def _others_open(self, function_id: int, cases: Sequence[Case]) -> bool:
        """Return whether the function has other cases that started, or whose session was not read yet."""
        return any(
            case.function_id == function_id and case not in cases and (case.active_at is not None or case in self._new)
            for case in self._cases
        )

    def _decided(self, decisions: Mapping[Case, Decision | None]) -> list[Found[T]]:
        """Remove and return the cases that are decided."""
        found = []
        for case, decision in decisions.items():
            if decision is not None:
                found.append(Found(self._cases[case], case, decision))
                self._forget(case)
        return found

    def _drop_closed(self) -> None:
        for case in [case for case in self._cases if case.closed]:
            self._forget(case)
        self._kept = {case for case in self._kept if not case.closed}

    def _forget(self, case: Case) -> None:
        del self._cases[case]
        self._others.pop(case, None)
        self._no_longer_new(case)

    def _no_longer_new(self, case: Case) -> None:
        if case in self._new:
            self._new.discard(case)
            self._looked(case)

"""Nonces for calls that are about to start. A nonce is valid for about a minute, and starts one call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock
from aiocdf.errors import BadRequest, DecodeError, TransportTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiocdf._engine.service import Service
    from aiocdf._engine.tasks import Tasks
    from aiocdf._policy.answer_times import AnswerTimes
    from aiocdf.secret import Secret

__all__ = ["Nonce", "Nonces"]

_log = logging.getLogger("aiocdf.engine")

# Seconds that a nonce stays in stock: far less than the minute for which the service accepts it.
_GOOD_FOR = 10.0


@attrs.frozen
class Nonce:
    """A nonce, and by this client's clock when it was requested and received: the service made it in between."""

    secret: Secret
    made_at: float
    made_by: float
    #: The id of its session; None for a nonce that the caller gave.
    session_id: int | None = None


class Nonces:
    """Creates sessions for their nonces, and keeps a few nonces in stock.

    Args:
        service: Creates the sessions.
        session_requests: The possible items of the request, the preferred one first; the first that works is kept.
        tasks: Runs the requests for nonces in advance.
        answers: Sets the time limit of a request.
    """

    def __init__(
        self,
        service: Service,
        session_requests: Sequence[Mapping[str, Any]],
        tasks: Tasks,
        answers: AnswerTimes,
    ) -> None:
        self._service = service
        self._session_requests = list(session_requests)
        self._tasks = tasks
        self._answers = answers
        #: The oldest nonce first.
        self._stock: deque[Nonce] = deque()
        #: The callers that wait for a nonce, and how many nonces are being made: at least one for each waiter.
        self._waiting: deque[asyncio.Future[Nonce]] = deque()
        self._making = 0
        self._asked = False

    async def fresh(self) -> Nonce:
        """Return a nonce that is at most some seconds old.

        Raises:
            AiocdfError: The session was not created.
        """
        self._asked = True
        self._drop_old()
        if self._stock:
            return self._stock.popleft()
        waiter: asyncio.Future[Nonce] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.prepare(0)
        return await waiter

    def give_back(self, nonce: Nonce) -> None:
        """Put a nonce that an attempt did not spend back into the stock."""
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(nonce)
        else:
            self._stock.appendleft(nonce)

    def prepare(self, count: int) -> None:
        """Make nonces so that *count* are in stock or being made for the next calls, in addition to the waiters'."""
        if not self._asked:
            return  # the caller may give a nonce with each call, and may lack the right to create sessions
        self._drop_old()
        for _ in range(len(self._waiting) + count - len(self._stock) - self._making):
            self._making += 1
            self._tasks.spawn(self._make())

    async def _make(self) -> None:
        """Make a nonce for the first waiter, or for the stock; an error goes to the first waiter."""
        try:
            nonce = await self._create()
        except asyncio.CancelledError:
            if (waiter := self._next_waiter()) is not None:
                waiter.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - a bug in aiocdf must not leave a waiter without an outcome
            if (waiter := self._next_waiter()) is not None:
                waiter.set_exception(error)
            else:
                self._asked = False  # none in advance until a call requests a nonce again, and gets the error
                _log.debug("no session was created in advance: %s", error, extra={"event": "no_session_ahead"})
        else:
            if (waiter := self._next_waiter()) is not None:
                waiter.set_result(nonce)
            else:
                self._stock.append(nonce)
        finally:
            self._making -= 1

    def _drop_old(self) -> None:
        """Drop nonces that are too old; their sessions expire."""
        now = _clock.monotonic()
        while self._stock and self._stock[0].made_at + _GOOD_FOR <= now:
            self._stock.popleft()

    def _next_waiter(self) -> asyncio.Future[Nonce] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _create(self) -> Nonce:
        *others, last = self._session_requests
        for request in others:
            try:
                return await self._ask(request)
            except BadRequest:
                continue
        return await self._ask(last)

    async def _ask(self, request: Mapping[str, Any]) -> Nonce:
        """Send one request, without a retry: back-off happens in the queue, where a call has no place."""
        made_at = _clock.monotonic()
        try:
            session = await self._service.new_session(request, within=self._answers.limit())
        except TransportTimeout:
            self._answers.unanswered()
            raise
        made_by = _clock.monotonic()
        self._answers.answered(made_by - made_at)
        if session.nonce is None:
            raise DecodeError("create a session: the answer has no nonce", path="$.items[0].nonce")
        self._session_requests = [request]
        return Nonce(session.nonce, made_at, made_by, session.id)

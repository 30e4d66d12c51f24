"""Nonces for calls that are about to start: each lives about a minute, and is spent by the attempt that binds it."""

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

# Seconds: far less than the minute that the service gives them.
_GOOD_FOR = 10.0


@attrs.frozen
class Nonce:
    """A nonce, and when it was asked for and was there, by our clock: it was made in between."""

    secret: Secret
    made_at: float
    made_by: float
    #: Of its session; None for a nonce of the caller's own.
    session_id: int | None = None


class Nonces:
    """Makes sessions for their nonces, and keeps a few in stock.

    Args:
        service: Creates the sessions.
        session_requests: What a session may be asked for with, the best first; the first that works is kept to.
        tasks: What the making ahead runs in.
        answers: How long to wait for a session.
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
        #: The oldest first.
        self._stock: deque[Nonce] = deque()
        #: Who waits for one, and how many are being made; never fewer than wait.
        self._waiting: deque[asyncio.Future[Nonce]] = deque()
        self._making = 0
        self._asked = False

    async def fresh(self) -> Nonce:
        """Return a nonce made within the last seconds, or just now.

        Raises:
            AiocdfError: No session could be made.
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
        """Take back a nonce that an attempt did not spend."""
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(nonce)
        else:
            self._stock.appendleft(nonce)

    def prepare(self, count: int) -> None:
        """Make so many that, beside those waited for, *count* are in stock or being made, for calls next in line."""
        if not self._asked:
            return  # calls may all come with nonces of their caller's, who may have no right to make any
        self._drop_old()
        for _ in range(len(self._waiting) + count - len(self._stock) - self._making):
            self._making += 1
            self._tasks.spawn(self._make())

    async def _make(self) -> None:
        """Make a nonce for the waiter who has waited longest, or to keep; a waiter also gets the error, if there is one."""
        try:
            nonce = await self._create()
        except asyncio.CancelledError:
            if (waiter := self._next_waiter()) is not None:
                waiter.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours, too, must not leave anyone waiting
            if (waiter := self._next_waiter()) is not None:
                waiter.set_exception(error)
            else:
                self._asked = False  # none ahead of need before a call has asked again, and got the error
                _log.debug("no session was made ahead of need: %s", error, extra={"event": "no_session_ahead"})
        else:
            if (waiter := self._next_waiter()) is not None:
                waiter.set_result(nonce)
            else:
                self._stock.append(nonce)
        finally:
            self._making -= 1

    def _drop_old(self) -> None:
        """Forget what was made too long ago; such a session dies by itself."""
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
        """Ask once: whoever waits for a nonce holds a place, so that back-off happens in the queue."""
        made_at = _clock.monotonic()
        try:
            session = await self._service.new_session(request, within=self._answers.limit())
        except TransportTimeout:
            self._answers.unanswered()
            raise
        made_by = _clock.monotonic()
        self._answers.answered(made_by - made_at)
        if session.nonce is None:
            raise DecodeError("create a session: the answer holds no nonce", path="$.items[0].nonce")
        self._session_requests = [request]
        return Nonce(session.nonce, made_at, made_by, session.id)

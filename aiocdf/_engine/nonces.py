"""Nonces for calls that are about to start: each lives about a minute, and is good for one attempt (API: Sessions)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiocdf._engine.tasks import Tasks
    from aiocdf.resources.sessions import Sessions
    from aiocdf.secret import Secret

__all__ = ["Nonces"]

_log = logging.getLogger("aiocdf.engine")

# Seconds: far less than the minute that the service gives them.
_GOOD_FOR = 10.0


class Nonces:
    """Makes sessions for their nonces, and keeps a few in hand.

    Args:
        sessions: The resource.
        grants: What a session may be asked for with, the best first; the first that works is kept to.
        tasks: What the making ahead runs in.
    """

    def __init__(self, sessions: Sessions, grants: Sequence[Mapping[str, Any]], tasks: Tasks) -> None:
        self._sessions = sessions
        self._grants = list(grants)
        self._tasks = tasks
        #: Nonces with the time until which they are good, the oldest first.
        self._stock: deque[tuple[Secret, float]] = deque()
        #: Who waits for one, and how many are being made; never fewer than wait.
        self._waiting: deque[asyncio.Future[Secret]] = deque()
        self._making = 0
        self._asked = False

    async def fresh(self) -> Secret:
        """Return a nonce made within the last seconds, or just now.

        Raises:
            AiocdfError: No session was to be had.
        """
        self._asked = True
        self._drop_old()
        if self._stock:
            return self._stock.popleft()[0]
        waiter: asyncio.Future[Secret] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.prepare(0)
        return await waiter

    def prepare(self, count: int) -> None:
        """See to it that, beside those waited for, *count* are in hand or being made, for calls next in line."""
        if not self._asked:
            return  # calls may all come with nonces of their caller's, who may have no right to make any
        self._drop_old()
        for _ in range(len(self._waiting) + count - len(self._stock) - self._making):
            self._making += 1
            self._tasks.spawn(self._make())

    async def _make(self) -> None:
        """Make a nonce for whoever has waited longest, or to keep; they also get the error, if there is one."""
        good_until = _clock.monotonic() + _GOOD_FOR
        try:
            nonce = await self._create()
        except Exception as error:  # noqa: BLE001 - a fault of ours, too, must not leave anyone waiting
            if (waiter := self._next_waiter()) is not None:
                waiter.set_exception(error)
            else:
                self._asked = False  # none ahead of need before somebody has asked again, and been told
                _log.debug("no session was made ahead of need: %s", error)
        else:
            if (waiter := self._next_waiter()) is not None:
                waiter.set_result(nonce)
            else:
                self._stock.append((nonce, good_until))
        finally:
            self._making -= 1

    def _drop_old(self) -> None:
        """Forget what was made too long ago; such a session dies by itself."""
        now = _clock.monotonic()
        while self._stock and self._stock[0][1] <= now:
            self._stock.popleft()

    def _next_waiter(self) -> asyncio.Future[Secret] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _create(self) -> Secret:
        refused: BadRequest | None = None
        for grant in list(self._grants):
            try:
                session = await self._sessions.create(grant)
            except BadRequest as error:
                refused = error
                continue
            self._grants = [grant]
            assert session.nonce is not None  # noqa: S101 - the resource has looked
            return session.nonce
        assert refused is not None  # noqa: S101 - there is always a grant
        raise refused

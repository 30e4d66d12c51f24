"""Nonces for calls that are about to start: each lives about a minute, and is good for one attempt (API: Sessions)."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf.errors import AiocdfError, BadRequest

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
        self._making = 0

    async def fresh(self) -> Secret:
        """Return a nonce made within the last seconds, or just now.

        Raises:
            AiocdfError: No session was to be had.
        """
        now = _clock.monotonic()
        while self._stock:
            nonce, good_until = self._stock.popleft()
            if now < good_until:
                return nonce
        return await self._make()

    def prepare(self, count: int) -> None:
        """See to it that *count* nonces are in hand or being made, for calls that are next in line."""
        for _ in range(count - len(self._stock) - self._making):
            self._making += 1
            self._tasks.spawn(self._keep())

    async def _keep(self) -> None:
        """Make a nonce ahead of need; if there is none to be had, who needs one will hear why."""
        good_until = _clock.monotonic() + _GOOD_FOR
        try:
            self._stock.append((await self._make(), good_until))
        except AiocdfError as error:
            _log.debug("no session was made ahead of need: %s", error)
        finally:
            self._making -= 1

    async def _make(self) -> Secret:
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

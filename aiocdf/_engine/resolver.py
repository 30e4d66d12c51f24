"""Finds functions' ids by their external ids: looked up once, remembered until the service no longer knows them."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf._policy.patience import span
from aiocdf._policy.submission import Step, Verdict, judge
from aiocdf._wire import endings
from aiocdf.errors import AiocdfError, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf._engine.service import Service
    from aiocdf._policy.breaker import Breaker
    from aiocdf._policy.patience import Patience

__all__ = ["Resolver"]

# The maximum number of functions whose ids are remembered.
_MOST = 10_000
# Seconds between two looks at a breaker that is open.
_LOOK_EVERY = 0.5
# A loop may end a sleep a clock tick too early, while the breaker is still open.
_TICK = 1e-6
# Seconds of trouble until the first warning, and between two warnings.
_WARN_AFTER, _WARN_EVERY = 1.0, 30.0

_log = logging.getLogger("aiocdf.engine")


class Resolver:
    """Looks functions up.

    Args:
        service: Sends the requests.
        breaker: Pauses look-ups in trouble.
        patience: How long look-ups wait for trouble to end.
        changed: Called when the breaker may have opened or closed.
    """

    def __init__(self, service: Service, breaker: Breaker, patience: Patience, *, changed: Callable[[], None]) -> None:
        self._service = service
        self._breaker = breaker
        self._patience = patience
        self._changed = changed
        self._known: dict[str, int] = {}
        self._warned_at = -math.inf

    def known(self, function: int | str) -> int | None:
        """Return the function's id; None if it has to be looked up."""
        return function if isinstance(function, int) else self._known.get(function)

    def learn(self, function: str, found: int) -> None:
        """Remember that *function* has this id now."""
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[function] = found

    def forget(self, function: str) -> None:
        """Drop the id of *function*: the next call looks it up again."""
        self._known.pop(function, None)

    async def resolve(self, function: int | str, *, refresh: bool = False) -> int:
        """Return the function's id for a single request; the look-up is retried as other requests are.

        Args:
            function: The id or external id.
            refresh: Look it up even if it is known.

        Raises:
            AiocdfError: The look-up failed.
        """
        if isinstance(function, int):
            return function
        if refresh:
            self.forget(function)
        found = self.known(function)
        if found is None:
            found = (await self._service.function(function, attempts=None)).id
            self.learn(function, found)
        return found

    async def look_up(self, function: str, began_at: float) -> int | AiocdfError:
        """Return the function's id or an error; wait for trouble to end, with patience counted from *began_at*."""
        while True:
            trouble = await self._turn(function, began_at)
            if trouble is not None:
                return trouble
            found = await self._ask(function)
            if isinstance(found, int):
                self.learn(function, found)
                return found
            if judge(found, Step.SESSION) is Verdict.REFUSED:
                return found

    async def _turn(self, function: str, began_at: float) -> AiocdfError | None:
        """Wait until one more look-up may begin; return the error if that takes longer than the patience."""
        breaker = self._breaker
        while True:
            now = _clock.monotonic()
            if breaker.error is not None and breaker.since is not None:
                waited = now - max(began_at, breaker.since)
                if waited >= self._patience.seconds(breaker.error):
                    return endings.waited_out(f"function {function!r} was not looked up", waited, breaker.error)
            if breaker.permits(now):
                return None
            opens_at = breaker.opens_at()
            wait = _LOOK_EVERY if opens_at is None else max(0.0, opens_at - now) + _TICK
            await _clock.sleep(min(wait, _LOOK_EVERY))

    async def _ask(self, function: str) -> int | AiocdfError:
        """Look the function up once, and report the outcome to the breaker."""
        began_at = _clock.monotonic()
        self._breaker.began()
        try:
            found = (await self._service.function(function)).id
        except AiocdfError as error:
            self._patience.answered |= isinstance(error, ApiError)
            if judge(error, Step.SESSION) is Verdict.REFUSED:
                self._breaker.succeeded(began_at)
            else:
                self._fail(error, began_at)
            return error
        else:
            self._patience.answered = True
            self._breaker.succeeded(began_at)
            return found
        finally:
            self._breaker.done()
            self._changed()

    def _fail(self, error: AiocdfError, began_at: float) -> None:
        """Report trouble to the breaker, and from time to time to the log."""
        now = _clock.monotonic()
        self._breaker.failed(error, now, began_at, in_doubt=False, jitter=_clock.jitter(0.9, 1.1))
        since = now if self._breaker.since is None else self._breaker.since
        if now - since >= _WARN_AFTER and now - self._warned_at >= _WARN_EVERY:
            self._warned_at = now
            patience = span(self._patience.seconds(error))
            _log.warning(
                "Function look-ups have failed for %.0f s; calls wait %s: %s",
                now - since,
                patience,
                error,
                extra={"event": "look_ups_fail"},
            )

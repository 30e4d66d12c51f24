"""Limits how often clients can guess passwords, client secrets and user codes."""

from __future__ import annotations

import math

import attrs

__all__ = ["Attempts", "TooManyAttempts"]

#: After this many seconds without a failure, earlier failures do not count.
FORGOTTEN_SECONDS = 300.0
#: The maximum number of names with counted failures. The limit for all names together applies to further names.
MOST_NAMES = 1_000


class TooManyAttempts(Exception):
    """An attempt was too early. It was not checked, so the error reveals nothing about the secret.

    Args:
        seconds: Seconds to wait before the next attempt.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong attempts: try again in {math.ceil(seconds)} seconds")
        self.seconds: int = math.ceil(seconds)


@attrs.define(kw_only=True)
class _Failures:
    """Consecutive failures. The first ones cause no wait. Each further one doubles the wait, up to a maximum.

    Args:
        free: How many failures cause no wait.
        longest: The maximum wait in seconds.
    """

    free: int
    longest: float
    _count: int = attrs.field(default=0, init=False)
    _last: float = attrs.field(default=-math.inf, init=False)

    def wait(self, now: float) -> float:
        """Return the seconds until the next attempt is allowed."""
        if self._count < self.free or now - self._last >= FORGOTTEN_SECONDS:
            return 0.0
        # Keeps the exponent small: a float overflows at 2**1024.
        pause = min(2.0 ** min(self._count - self.free, 30), self.longest)
        return max(0.0, self._last + pause - now)

    def add(self, now: float) -> None:
        """Count a failure."""
        if now - self._last >= FORGOTTEN_SECONDS:
            self._count = 0
        self._count += 1
        self._last = now


@attrs.define
class Attempts:
    """Limits wrong attempts for each name, and for all names together.

    The waits are short, so that an attacker can delay the owner but not lock the owner out. All waits end a few
    seconds after the last wrong attempt.

    Args:
        free: How many failures of one name cause no wait. For all names together it is ten times this number.
        longest: The maximum wait in seconds after a failure of the same name. After one of another name it is 1 s.
    """

    _free: int
    _longest: float
    _by_name: dict[str, _Failures] = attrs.field(factory=dict, init=False, repr=False)
    _overall: _Failures = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Start without failures."""
        self._overall = _Failures(free=10 * self._free, longest=1.0)

    def check(self, name: str, now: float) -> None:
        """Check that an attempt is allowed now.

        Raises:
            TooManyAttempts: The attempt is too early after earlier failures.
        """
        own = self._by_name.get(name)
        seconds = max(own.wait(now) if own else 0.0, self._overall.wait(now))
        if seconds > 0:
            raise TooManyAttempts(seconds)

    def failed(self, name: str, now: float) -> None:
        """Count a failure."""
        own = self._by_name.pop(name, None) or _Failures(free=self._free, longest=self._longest)
        self._by_name[name] = own
        if len(self._by_name) > MOST_NAMES:
            del self._by_name[next(iter(self._by_name))]
        own.add(now)
        self._overall.add(now)

    def succeeded(self, name: str) -> None:
        """Reset the failures of a name."""
        self._by_name.pop(name, None)

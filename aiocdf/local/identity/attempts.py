"""How often a password, a client secret or a user code may be guessed."""

from __future__ import annotations

import math

import attrs

__all__ = ["Attempts", "TooManyAttempts"]

#: After so many seconds without a failure, the earlier ones do not count.
FORGOTTEN_SECONDS = 300.0
#: Names that are remembered. An attacker who makes up more names meets the limit of all names together.
MOST_NAMES = 1_000


class TooManyAttempts(Exception):
    """An attempt that comes too early. It is not checked, so it tells nothing about the secret.

    Args:
        seconds: How long to wait before the next one.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong attempts; the next is allowed in {math.ceil(seconds)} seconds")
        self.seconds: int = math.ceil(seconds)


@attrs.define(kw_only=True)
class _Failures:
    """Failures in a row. The first few are free; then each doubles the wait for the next attempt, up to a limit.

    Args:
        free: How many failures cause no wait.
        longest: The longest wait in seconds.
    """

    free: int
    longest: float
    _count: int = attrs.field(default=0, init=False)
    _last: float = attrs.field(default=-math.inf, init=False)

    def wait(self, now: float) -> float:
        """Return how many seconds the next attempt has to wait."""
        if self._count < self.free or now - self._last >= FORGOTTEN_SECONDS:
            return 0.0
        # A float overflows at 2**1024.
        pause = min(2.0 ** min(self._count - self.free, 30), self.longest)
        return max(0.0, self._last + pause - now)

    def add(self, now: float) -> None:
        """Count one more."""
        if now - self._last >= FORGOTTEN_SECONDS:
            self._count = 0
        self._count += 1
        self._last = now


@attrs.define
class Attempts:
    """Limits wrong attempts for each name, and for all names together.

    The waits are short: whoever guesses on purpose can delay the owner, but does not lock them out. All waits end some
    seconds after the last wrong attempt.

    Args:
        free: How many failures of one name cause no wait; ten times as many of all names.
        longest: The longest wait in seconds after a failure of the same name; 1 s after one of another name.
    """

    _free: int
    _longest: float
    _by_name: dict[str, _Failures] = attrs.field(factory=dict, init=False, repr=False)
    _overall: _Failures = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Begin without failures."""
        self._overall = _Failures(free=10 * self._free, longest=1.0)

    def check(self, name: str, now: float) -> None:
        """Refuse an attempt that comes too early.

        Raises:
            TooManyAttempts: Earlier ones failed.
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
        """Forget the failures of a name."""
        self._by_name.pop(name, None)

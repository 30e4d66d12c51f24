"""How long calls wait for trouble to pass."""

from __future__ import annotations

import math

import attrs

from aiocdf.errors import AiocdfError, AuthError, ConnectError, DecodeError, OAuthError, TransportError

__all__ = ["Patience", "passing", "span"]


def passing(error: AiocdfError) -> bool:
    """Return whether the same request may succeed later without any change on this side."""
    return error.passing if isinstance(error, AuthError | TransportError) else True


@attrs.define(kw_only=True)
class Patience:
    """How long a client waits for trouble to pass.

    Args:
        usual: Seconds for any kind of trouble; None for no limit.
        connect: Seconds for trouble that may come from a wrong address or setting, while the service has never answered;
            None for *usual*.
    """

    usual: float | None
    connect: float | None
    #: The service has answered this client.
    answered: bool = False

    def seconds(self, error: AiocdfError) -> float:
        """Return the seconds for which calls wait for *error* to pass."""
        usual = math.inf if self.usual is None else self.usual
        if self.answered or self.connect is None or not _suggests_a_wrong_setting(error):
            return usual
        return min(usual, self.connect)


def _suggests_a_wrong_setting(error: AiocdfError) -> bool:
    if isinstance(error, AuthError):
        return not isinstance(error, OAuthError)
    return isinstance(error, ConnectError | DecodeError)


def span(seconds: float) -> str:
    """Return a waiting time as text."""
    return "without limit" if seconds == math.inf else f"for at most {seconds:.0f} s"

"""For how long calls wait for trouble to pass."""

from __future__ import annotations

import math

import attrs

from aiocdf.errors import AiocdfError, AuthError, ConnectError, DecodeError, OAuthError, TransportError

__all__ = ["Patience", "passing", "span"]


def passing(error: AiocdfError) -> bool:
    """Tell whether the same request may succeed later though nothing is changed here."""
    return error.passing if isinstance(error, AuthError | TransportError) else True


@attrs.define(kw_only=True)
class Patience:
    """How long a client waits, by what it has heard of the service.

    Args:
        usual: Seconds for trouble of any kind; None for ever.
        connect: Seconds while the service has never answered, for trouble that a wrong address or setting would make,
            too; None for the usual.
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
    """Say for how long something is waited for."""
    return "for ever" if seconds == math.inf else f"for {seconds:.0f} s at most"

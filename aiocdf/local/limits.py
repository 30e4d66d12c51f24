"""What the local server allows, with the service's own figures as defaults."""

from __future__ import annotations

import attrs

__all__ = ["Limits"]


@attrs.frozen(kw_only=True)
class Limits:
    """The service's limits, so that what passes here passes there.

    Args:
        calls_per_function: Calls of one function that may run at once.
        calls_per_project: Calls that may run at once in all.
        data_bytes: The largest `data` of a call, as JSON text; Google's figure. Azure allows 36,000, AWS 240,000.
        response_bytes: The largest response of a call, as JSON text.
        log_bytes: How much log text is kept of one call; the rest is dropped.
        nonce_seconds: How long after its creation a session can be bound.
        token_seconds: The life of an access token.
        refresh_seconds: The life of a refresh token, each use of which gives another.
        code_seconds: How long after a sign-in its authorization code can be exchanged.
        device_seconds: How long after a device asked it can be allowed to act for a user.
        device_interval: Seconds that a device has to wait between two questions whether it may.
        token_exchange: Whether sessions can be made with `tokenExchange`, for which not every identity provider has leave.
    """

    calls_per_function: int = 100
    calls_per_project: int = 250
    data_bytes: int = 9_000_000
    response_bytes: int = 1_000_000
    log_bytes: int = 10_000_000
    nonce_seconds: float = 60.0
    token_seconds: float = 3600.0
    refresh_seconds: float = 90 * 86_400.0
    code_seconds: float = 60.0
    device_seconds: float = 600.0
    device_interval: int = 5
    token_exchange: bool = True

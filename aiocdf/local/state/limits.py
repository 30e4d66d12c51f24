"""What the local server allows, with the service's own figures as defaults."""

from __future__ import annotations

from typing import Any

import attrs

from aiocdf.config import not_negative, of_kind
from aiocdf.errors import ConfigError

__all__ = ["Limits"]


def _whole(_: object, limit: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"limit {limit.name} must be a whole number of at least 0, not {value!r}")


@attrs.frozen(kw_only=True)
class Limits:
    """The service's limits, so that what passes here passes there.

    Args:
        calls_per_function: Calls of one function that may run at once.
        calls_per_project: Calls that may run at once in all.
        data_bytes: The largest `data` of a call, as JSON text; Google's figure. Azure allows 36,000, AWS 240,000.
        response_bytes: The largest response of a call, as JSON text.
        log_bytes: How much log text is kept of one call; the rest is dropped.
        file_bytes: The largest file that can be uploaded.
        history_days: How many days calls are kept.
        history_bytes: How much room there is for calls that have ended, with their logs and responses; the oldest are
            deleted first.
        nonce_seconds: How long after its creation a session can be bound.
        token_seconds: The life of an access token.
        refresh_seconds: The life of a refresh token, each use of which gives another.
        code_seconds: How long after a sign-in its authorization code can be traded for tokens.
        device_seconds: How long after a device asked it can be allowed to act for a user.
        device_interval: Seconds that a device has to wait between two questions whether it may.
        token_exchange: Whether sessions can be made with `tokenExchange`, which some identity providers do not permit.
    """

    calls_per_function: int = attrs.field(default=100, validator=_whole)
    calls_per_project: int = attrs.field(default=250, validator=_whole)
    data_bytes: int = attrs.field(default=9_000_000, validator=_whole)
    response_bytes: int = attrs.field(default=1_000_000, validator=_whole)
    log_bytes: int = attrs.field(default=10_000_000, validator=_whole)
    file_bytes: int = attrs.field(default=1_000_000_000, validator=_whole)
    history_days: float = attrs.field(default=90.0, validator=not_negative)
    history_bytes: int = attrs.field(default=1_000_000_000, validator=_whole)
    nonce_seconds: float = attrs.field(default=60.0, validator=not_negative)
    token_seconds: float = attrs.field(default=3600.0, validator=not_negative)
    refresh_seconds: float = attrs.field(default=90 * 86_400.0, validator=not_negative)
    code_seconds: float = attrs.field(default=60.0, validator=not_negative)
    device_seconds: float = attrs.field(default=600.0, validator=not_negative)
    device_interval: int = attrs.field(default=5, validator=_whole)
    token_exchange: bool = attrs.field(default=True, validator=of_kind(bool))

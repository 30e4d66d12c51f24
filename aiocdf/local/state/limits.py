"""The limits of the local server. The defaults are those of the service."""

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
    """The limits of the local server. With the service's limits, calls that the server accepts also pass the service.

    Args:
        calls_per_function: The maximum number of running calls of one function. Further calls are rejected with 429.
        calls_per_project: The maximum number of running calls in total. Further calls are rejected with 429.
        data_bytes: The maximum size in bytes of the `data` of a call, as JSON. The default is that of Google Cloud;
            Azure has 36,000, AWS 240,000.
        response_bytes: The maximum size in bytes of the response of a call, as JSON.
        log_bytes: The maximum size in bytes of the log of a call. Further lines are dropped.
        file_bytes: The maximum size in bytes of an uploaded file.
        history_days: How many days ended calls are kept.
        history_bytes: The maximum size in bytes of all ended calls with their logs and responses. The oldest are
            deleted first.
        nonce_seconds: The lifetime in seconds of a session's nonce.
        token_seconds: The lifetime in seconds of an access token.
        refresh_seconds: The lifetime in seconds of a refresh token. Each use returns a new one.
        code_seconds: The lifetime in seconds of an authorization code.
        device_seconds: The lifetime in seconds of a device code and its user code.
        device_interval: The minimum number of seconds between two polls of a device.
        token_exchange: Whether `tokenExchange` can create sessions. Some identity providers do not permit it.
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

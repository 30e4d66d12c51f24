"""The faults that can be injected: which requests they hit, how often, and their effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import attrs

from aiocdf.errors import ConfigError

__all__ = ["Fault", "Faults", "Kind"]

Kind = Literal["latency", "status", "reset", "half", "token-expiry"]

#: The required and the optional fields of each kind.
_NEEDED: dict[str, tuple[str, ...]] = {"latency": ("seconds",), "status": ("status",)}
_ALLOWED: dict[str, tuple[str, ...]] = {
    "latency": ("seconds", "handled"),
    "status": ("status", "retry_after", "handled"),
    "reset": ("handled",),
    "half": (),
    "token-expiry": (),
}
_ENDPOINT = re.compile(r"(?:(?:[A-Z]+|\*) )?(?:\*|/\S*)")
_MAX_SECONDS = 3600.0


def _number(low: float, high: float) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is not None and not _is_number(value, low, high):
            raise ConfigError(f"{field.name} must be a number from {low:g} to {high:g}, not {value!r}")

    return check


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _whole(low: int, high: int) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is not None and not (isinstance(value, int) and _is_number(value, low, high)):
            raise ConfigError(f"{field.name} must be a whole number from {low} to {high}, not {value!r}")

    return check


def _several(value: object) -> object:
    """Return a list as a tuple, and one value as a tuple of one."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (value,)


def _delays(_: object, field: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    numbers = all(_is_number(number, 0, _MAX_SECONDS) for number in value)
    if not numbers or len(value) > 2 or list(value) != sorted(value, key=float):  # type: ignore[arg-type]  # they are numbers
        raise ConfigError(
            f"{field.name} must be a number from 0 to {_MAX_SECONDS:g}, or a list of minimum and maximum, "
            f"not {list(value)!r}"
        )


def _statuses(_: object, field: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    if not all(isinstance(status, int) and _is_number(status, 400, 599) for status in value):
        raise ConfigError(
            f"{field.name} must be an HTTP status from 400 to 599, or a list of statuses, not {list(value)!r}"
        )


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{field.name} must be true or false, not {value!r}")


def _is_part(part: str, wanted: str) -> bool:
    """Return whether a part of a path matches. A parameter such as `{callId}` matches any part, like `*`."""
    return wanted in {"*", part} or wanted.startswith("{") or part.startswith("{")


@attrs.frozen(kw_only=True)
class Fault:
    """A fault to inject into requests.

    Args:
        kind: The effect on a request: `latency` (it takes longer), `status` (an error response), `reset` (the
            connection is reset instead of a response), `half` (the connection ends in the middle of the response), or
            `token-expiry` (its access token is revoked, so that the response is 401).
        endpoint: The requests that it can hit, such as `POST /functions/*/call`: a method or `*`, and a path below the
            project's, in which `*` or a name in braces matches one part. Write paths outside of the project in full,
            such as `/oauth2/token`. Without a method, all methods match; `*` alone matches every request.
        rate: The fraction of these requests that it hits, from 0 to 1.
        times: The maximum number of requests that it hits. The default is no limit.
        every: The length of a period in seconds. It needs `lasts`.
        lasts: For how many seconds at the end of each period the fault is active.
        handled: Whether the server handles the request before the fault. For `half` it always does.
        seconds: The added latency in seconds: a number, or a list of minimum and maximum.
        status: The HTTP status, or several, from which one is drawn.
        retry_after: The header `Retry-After` in whole seconds. The default is no header.

    Raises:
        ConfigError: A field is not valid, is missing, or does not apply to this kind.
    """

    kind: Kind
    endpoint: str = "*"
    rate: float = attrs.field(default=1.0, validator=_number(0, 1))
    times: int | None = attrs.field(default=None, validator=_whole(1, 2**53))
    every: float | None = attrs.field(default=None, validator=_number(0.001, 86_400))
    lasts: float | None = attrs.field(default=None, validator=_number(0.001, 86_400))
    handled: bool = attrs.field(default=False, validator=_flag)
    seconds: tuple[float, ...] = attrs.field(default=(), converter=_several, validator=_delays)
    status: tuple[int, ...] = attrs.field(default=(), converter=_several, validator=_statuses)
    retry_after: int | None = attrs.field(default=None, validator=_whole(0, 86_400))

    def __attrs_post_init__(self) -> None:
        """Check the combination of fields."""
        if self.kind not in get_args(Kind):
            raise ConfigError(f"kind must be one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        if not isinstance(self.endpoint, str) or not _ENDPOINT.fullmatch(self.endpoint):
            raise ConfigError(
                f"endpoint must be like 'POST /functions/*/call', '/oauth2/token' or '*', not {self.endpoint!r}"
            )
        for name in ("seconds", "status", "retry_after", "handled"):
            given = getattr(self, name) not in {(), None, False}
            if given and name not in _ALLOWED[self.kind]:
                raise ConfigError(f"{name} does not apply to kind {self.kind!r}: leave it out")
            if not given and name in _NEEDED.get(self.kind, ()):
                raise ConfigError(f"kind {self.kind!r} needs {name}")
        if (self.every is None) != (self.lasts is None) or (self.every or 0) < (self.lasts or 0):
            raise ConfigError("every needs lasts and lasts needs every; lasts must be at most every")

    def hits(self, method: str, path: str) -> bool:
        """Return whether the fault can hit a request. *path* is without the project's prefix."""
        wanted_method, _, wanted_path = self.endpoint.rpartition(" ")
        if wanted_method not in {"", "*", method}:
            return False
        parts, wanted = path.split("/"), wanted_path.split("/")
        return wanted_path == "*" or (len(parts) == len(wanted) and all(map(_is_part, parts, wanted)))

    def is_active(self, elapsed: float) -> bool:
        """Return whether the fault is active *elapsed* seconds after the start of the server."""
        if self.every is None or self.lasts is None:
            return True
        return elapsed % self.every >= self.every - self.lasts


def _faults(values: Iterable[Fault]) -> tuple[Fault, ...]:
    faults = tuple(values)
    for fault in faults:
        if not isinstance(fault, Fault):
            raise ConfigError(f"faults must be Fault values, not {type(fault).__name__}")
    return faults


@attrs.frozen(kw_only=True)
class Faults:
    """The faults to inject, and the seed for drawing them.

    Args:
        faults: The faults. Latencies add up. Of the other faults, only the first that hits a request has an effect.
        seed: With the same seed, each fault hits the same requests to its endpoint, counted in the order of arrival.

    Raises:
        ConfigError: A value is not a `Fault`, or the seed is not a whole number.
    """

    faults: tuple[Fault, ...] = attrs.field(converter=_faults)
    seed: int = attrs.field(default=1, validator=_whole(0, 2**53))

    def check_endpoints(self, endpoints: Sequence[tuple[str, str]]) -> None:
        """Check that every fault can hit one of the server's endpoints.

        Args:
            endpoints: The method and the path of each endpoint.

        Raises:
            ConfigError: A fault matches no endpoint.
        """
        for number, fault in enumerate(self.faults, 1):
            if not any(fault.hits(method, path) for method, path in endpoints):
                raise ConfigError(f"fault {number}: unknown endpoint {fault.endpoint!r}")

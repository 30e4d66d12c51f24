"""What can go wrong on purpose: which requests it hits, how often, and what happens to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import attrs

from aiocdf.errors import ConfigError

__all__ = ["Fault", "Faults", "Kind"]

Kind = Literal["latency", "status", "reset", "half", "token-expiry"]

#: What each kind needs, and what it may have besides.
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
            f"{field.name} must be a number from 0 to {_MAX_SECONDS:g}, or a list of the least and the most, "
            f"not {list(value)!r}"
        )


def _statuses(_: object, field: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    if not all(isinstance(status, int) and _is_number(status, 400, 599) for status in value):
        raise ConfigError(
            f"{field.name} must be an HTTP status from 400 to 599, or a list of such, not {list(value)!r}"
        )


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{field.name} must be true or false, not {value!r}")


def _is_part(part: str, wanted: str) -> bool:
    """Tell whether a part of a path is the one wanted; a parameter such as `{callId}` stands for any part, like `*`."""
    return wanted in {"*", part} or wanted.startswith("{") or part.startswith("{")


@attrs.frozen(kw_only=True)
class Fault:
    """Something that goes wrong on purpose.

    Args:
        kind: What happens to a request: `latency` (it takes longer), `status` (an error answer), `reset` (the connection
            is reset in place of the answer), `half` (the connection ends in the middle of the answer), or `token-expiry`
            (its access token ends, so that it is answered 401).
        endpoint: Which requests it can hit, such as `POST /functions/*/call`: a method, or `*`, and a path below the
            project's, in which `*`, or a
            name in braces, stands for one part. Paths outside of the project are written in full, such as
            `/oauth2/token`. Without a method it is any method; `*` alone is every request.
        rate: The part of these requests that it hits, from 0 to 1.
        times: How many requests it hits at most; no limit if not given.
        every: The length of a period in seconds; with `lasts`.
        lasts: How many seconds of each period it is active; it begins as the period ends.
        handled: Whether the server does what was asked before the fault happens. With `half` it always does.
        seconds: How much longer a request takes: a number, or the least and the most.
        status: The HTTP status, or several, one of which is drawn.
        retry_after: What the answer has as `Retry-After`, in whole seconds; no such header if not given.

    Raises:
        ConfigError: A field has a value that it cannot have, is missing, or means nothing for this kind.
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
        """Check the fields against one another."""
        if self.kind not in get_args(Kind):
            raise ConfigError(f"kind must be one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        if not isinstance(self.endpoint, str) or not _ENDPOINT.fullmatch(self.endpoint):
            raise ConfigError(
                f"endpoint must be like 'POST /functions/*/call', '/oauth2/token' or '*', not {self.endpoint!r}"
            )
        for name in ("seconds", "status", "retry_after", "handled"):
            given = getattr(self, name) not in {(), None, False}
            if given and name not in _ALLOWED[self.kind]:
                raise ConfigError(f"{name} means nothing for kind {self.kind!r}")
            if not given and name in _NEEDED.get(self.kind, ()):
                raise ConfigError(f"kind {self.kind!r} needs {name}")
        if (self.every is None) != (self.lasts is None) or (self.every or 0) < (self.lasts or 0):
            raise ConfigError("every and lasts go together, and lasts is not longer than every")

    def hits(self, method: str, path: str) -> bool:
        """Tell whether a request to a path, without the project's part, is one that it can hit."""
        wanted_method, _, wanted_path = self.endpoint.rpartition(" ")
        if wanted_method not in {"", "*", method}:
            return False
        parts, wanted = path.split("/"), wanted_path.split("/")
        return wanted_path == "*" or (len(parts) == len(wanted) and all(map(_is_part, parts, wanted)))

    def is_active(self, elapsed: float) -> bool:
        """Tell whether it can hit a request so many seconds after the server started."""
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
    """What goes wrong on purpose, and the seed of its draws.

    Args:
        faults: What can happen to a request. Latencies add up; of the others, the first that hits counts.
        seed: With the same seed, each fault hits the same of the requests to its endpoint, in the order in which they
            come.

    Raises:
        ConfigError: A fault is none, or the seed is not a whole number.
    """

    faults: tuple[Fault, ...] = attrs.field(converter=_faults)
    seed: int = attrs.field(default=1, validator=_whole(0, 2**53))

    def check_endpoints(self, endpoints: Sequence[tuple[str, str]]) -> None:
        """Check that every fault can hit one of the server's endpoints, given as method and path.

        Raises:
            ConfigError: One of them cannot.
        """
        for number, fault in enumerate(self.faults, 1):
            if not any(fault.hits(method, path) for method, path in endpoints):
                raise ConfigError(f"fault {number}: the server has no endpoint {fault.endpoint!r}")

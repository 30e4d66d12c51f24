"""Frozen settings, and the checks of project names, clusters and URLs."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, get_args
from urllib.parse import SplitResult, urlsplit

import attrs
from attrs.validators import optional

from aiocdf.errors import ConfigError
from aiocdf.secret import hide_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Polling",
    "Retry",
    "Retrying",
    "SessionGrant",
    "Settings",
    "above_zero",
    "address_of",
    "base_url_of",
    "check_project",
    "check_url",
    "cluster_of",
    "is_loopback",
    "not_negative",
    "of_kind",
    "payload_limit",
    "shown_url",
]

# `urlsplit` silently drops some of these and other parsers do not: all readers must see the same host in a URL.
# Surrogates stand for bytes that are not text, and have no encoding.
_UNSAFE = re.compile("[\x00-\x20\x7f\\\\\ud800-\udfff]")
#: The brackets of placeholders in documentation.
_PLACEHOLDER = re.compile(r"[{}<>]")

_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_CLUSTER = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
SessionGrant = Literal["client_credentials", "token_exchange", "oneshot_token_exchange"]

_DOMAIN = ".cognitedata.com"
_FAILURES = ("Failed", "Timeout")

# Bytes of `data` that a call may carry, by cloud (service documentation, "Functions: technical details").
_GOOGLE, _AZURE, _AWS = 9_000_000, 36_000, 240_000
_CLOUD_PREFIXES = {"az-": _AZURE, "aws-": _AWS, "gc-": _GOOGLE}
_CLOUD_NAMES = {"api": _GOOGLE, "greenfield": _GOOGLE, "asia-northeast1-1": _GOOGLE, "westeurope-1": _AZURE}


def of_kind(kind: type) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Return a validator that accepts only a *kind*.

    Raises:
        ConfigError: From the validator: the value has another type.
    """

    def check(_: object, setting: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigError(f"setting {setting.alias} must be a {kind.__name__}, not {value!r}")

    return check


def above_zero(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    """Accept only a finite number above 0.

    Raises:
        ConfigError: The value is something else.
    """
    if not (_is_number(value) and value > 0):
        raise ConfigError(f"setting {setting.name} must be a number above 0, not {value!r}")


def not_negative(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    """Accept only a finite number of at least 0.

    Raises:
        ConfigError: The value is something else.
    """
    if not (_is_number(value) and value >= 0):
        raise ConfigError(f"setting {setting.name} must be a number of at least 0, not {value!r}")


def _patience(settings: object, setting: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        above_zero(settings, setting, value)


def _count(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    if not (_is_number(value) and isinstance(value, int) and value >= 1):
        raise ConfigError(f"setting {setting.name} must be a whole number of at least 1, not {value!r}")


def _header_value(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    if not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise ConfigError(f"setting {setting.name} travels in a header, so it must be plain ASCII text, not {value!r}")


def _session_grant(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    if value is not None and value not in get_args(SessionGrant):
        raise ConfigError(f"setting {setting.name} must be one of {', '.join(get_args(SessionGrant))}, not {value!r}")


def _path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@attrs.frozen(kw_only=True)
class Polling:
    """How often running calls are polled; the explanation of polling in the documentation has the reasons."""

    #: The maximum delay until the end of a call of unknown length is seen, as a fraction of its runtime. Larger: fewer
    #: polls, later results.
    max_relative_lag: float = attrs.field(default=0.10, validator=above_zero)
    #: The minimum gap between two polls of a function, in seconds; seven tenths of it while calls queue. Larger: fewer
    #: polls, later results of short calls.
    floor: float = attrs.field(default=0.18, validator=above_zero)
    #: The maximum gap between two polls of a function, in seconds. Larger: fewer polls, later results of long calls.
    cap: float = attrs.field(default=5.0, validator=above_zero)
    #: The cost of one poll, in seconds of delay summed over the calls of a function. Larger: fewer polls, later
    #: results; the gap grows with its square root. A second of delay weighs less for an old call, by the root of its
    #: age.
    poll_cost: float = attrs.field(default=0.125, validator=above_zero)
    #: The maximum number of polls a second in the whole project. Smaller: later results when many functions run.
    budget: float = attrs.field(default=100.0, validator=above_zero)


@attrs.frozen(kw_only=True)
class Retrying:
    """How often and after which waits an idempotent request is sent again."""

    #: The maximum number of attempts. Larger: longer outages are survived, and errors come later.
    attempts: int = attrs.field(default=6, validator=_count)
    #: The maximum of the first wait, in seconds; it doubles with each further attempt.
    base: float = attrs.field(default=0.5, validator=not_negative)
    #: The maximum of any wait, in seconds. If the service requests a longer one, the request fails.
    cap: float = attrs.field(default=60.0, validator=not_negative)


def _statuses(value: Iterable[str] | str) -> tuple[str, ...]:
    named = (value,) if isinstance(value, str) else value if isinstance(value, Iterable) else ()
    return tuple(str(each) for each in named)


def _repeatable_ends(_: object, setting: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or not set(value) <= set(_FAILURES):
        raise ConfigError(f"setting {setting.name} must be Failed, Timeout or both, not {value!r}")


@attrs.frozen(kw_only=True)
class Retry:
    """How `client.call(..., retry=...)` repeats calls of a function that is safe to run more than once."""

    #: The maximum number of calls, including the first.
    attempts: int = attrs.field(default=3, validator=_count)
    #: The statuses after which the function is called again.
    on: tuple[str, ...] = attrs.field(default=_FAILURES, converter=_statuses, validator=_repeatable_ends)
    #: Seconds from the end of a call until the next is queued.
    wait: float = attrs.field(default=0.0, validator=not_negative)


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a client; each has a default."""

    polling: Polling = attrs.field(factory=Polling, validator=of_kind(Polling))
    retrying: Retrying = attrs.field(factory=Retrying, validator=of_kind(Retrying))
    #: How many calls the service runs at once, in a function and in the project. Larger than the service's limits:
    #: calls are rejected with 429 and queued again.
    function_limit: int = attrs.field(default=100, validator=_count)
    project_limit: int = attrs.field(default=250, validator=_count)
    #: The maximum number of calls submitted at once. Larger: a burst of calls starts sooner, on more connections.
    max_concurrent_submissions: int = attrs.field(default=40, validator=_count)
    #: The maximum number of responses and logs read at once. Larger: they arrive sooner, and need more memory.
    max_concurrent_reads: int = attrs.field(default=16, validator=_count)
    #: The time limit of a request in seconds: for getting a connection, and then for the whole answer. And the time
    #: limit of a new connection.
    request_timeout: float = attrs.field(default=60.0, validator=above_zero)
    connect_timeout: float = attrs.field(default=10.0, validator=above_zero)
    #: Whether to use the proxy of the variables HTTPS_PROXY and NO_PROXY.
    trust_env: bool = attrs.field(default=False, validator=of_kind(bool))
    #: A file of certificates in PEM form: authorities to trust in addition to the system's.
    ca_file: str | None = attrs.field(default=None, converter=_path, validator=optional(of_kind(str)))
    #: The maximum size of a call's data as JSON, in bytes; None for the limit of the cluster's cloud, if known.
    payload_limit: int | None = attrs.field(default=None, validator=optional(_count))
    #: The time limit of functions in seconds; None to read it from the service.
    time_limit: float | None = attrs.field(default=None, validator=optional(above_zero))
    #: Seconds after its time limit when a call that still counts as running ends as lost.
    grace: float = attrs.field(default=60.0, validator=not_negative)
    #: How long a call waits for trouble to pass, such as an outage or a missing token, in seconds. After that, a queued
    #: call fails with the last error, and a running call ends as lost. None to wait without limit.
    patience: float | None = attrs.field(default=600.0, validator=_patience)
    #: The same while the service has never answered this client, when a wrong address is more likely than an outage.
    connect_patience: float | None = attrs.field(default=10.0, validator=_patience)
    #: How sessions for function calls are created: None for the best way that the service accepts.
    session_grant: SessionGrant | None = attrs.field(default=None, validator=_session_grant)
    #: Whether to warn if a call's data seems to hold a secret.
    warn_secrets: bool = attrs.field(default=True, validator=of_kind(bool))
    #: The name of this program in requests to the service.
    app: str = attrs.field(default="aiocdf", validator=_header_value)


def base_url_of(cluster: str) -> str:
    """Return the address of a cluster, such as `westeurope-1`.

    Raises:
        ConfigError: It is not a valid name of a cluster.
    """
    if not isinstance(cluster, str) or not _CLUSTER.fullmatch(cluster):
        raise ConfigError(
            f"cluster {cluster!r} is not a valid cluster name; one looks like westeurope-1, without https://"
        )
    return f"https://{cluster}{_DOMAIN}"


def address_of(base_url: str | None, cluster: str | None) -> str:
    """Return the normal form of an address given as URL or as cluster.

    Raises:
        ConfigError: Neither or both are given, or the one given is not valid.
    """
    if (base_url is None) == (cluster is None):
        raise ConfigError("give either base_url or cluster")
    return check_url(base_url_of(cluster or "") if base_url is None else base_url, what="base_url")


def cluster_of(base_url: str) -> str:
    """Return the cluster of an address; host and port if the address is not one of Cognite's."""
    host = urlsplit(base_url).netloc
    return host.removesuffix(_DOMAIN)


def check_project(project: str) -> str:
    """Return *project* if it is valid as a project name in a URL.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(project, str) or not _PROJECT.fullmatch(project):
        # Not quoted: the project is the first argument of the client, and may be a token by mistake.
        raise ConfigError("project is not a project name: it may have letters, digits, hyphens and underscores only")
    return project


def payload_limit(cluster: str) -> int | None:
    """Return the maximum size of a call's data on this cluster's cloud, in bytes; None if the cloud is unknown."""
    by_prefix = (limit for prefix, limit in _CLOUD_PREFIXES.items() if cluster.startswith(prefix))
    return _CLOUD_NAMES.get(cluster) or next(by_prefix, None)


@hide_arguments
def check_url(url: str, *, what: str, query: bool = False) -> str:
    """Return the normal form of *url*, without a trailing slash, if it is safe to send secrets to it.

    Plain http is allowed for loopback addresses only; no setting changes this.

    Args:
        url: An absolute URL, such as `https://api.cognitedata.com`.
        what: The name of the setting, for the error's message.
        query: Whether it may have a query, as the endpoints of OAuth 2.0 may (RFC 6749 sections 3.1 and 3.2).

    Raises:
        ConfigError: It is not an absolute https URL, or has a user name, a placeholder, a query or a fragment.
    """
    parts = _split(url)
    if parts is None:
        raise ConfigError(f"{what} is not an absolute URL. It must look like https://host/path, without spaces.")
    shown = f"{what} {_visible(parts)}"
    if "@" in parts.netloc:
        raise ConfigError(f"{shown} has a user name before its host. Leave out everything up to the '@'.")
    if _PLACEHOLDER.search(url):
        raise ConfigError(f"{shown} has a placeholder. Put your own value in its place, without the brackets.")
    if parts.fragment:
        raise ConfigError(f"{shown} has a fragment. Leave out everything from the '#'.")
    if parts.query and not query:
        raise ConfigError(f"{shown} has a query. Leave out everything from the '?'.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"{shown} is plain http, which others on the network can read. Use https.")
    tail = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}{tail}"


def shown_url(url: object) -> str:
    """Return the repr of a URL without user name and query, either of which may hold a secret."""
    if url is None:
        return "None"
    parts = _split(url)
    if parts is None:
        return "<not a URL>"
    return repr(f"{_visible(parts)}{'?...' if parts.query else ''}")


def _visible(parts: SplitResult) -> str:
    """Return the part of a URL that messages may show: nothing up to the last '@', and no query."""
    return f"{parts.scheme}://{f'{parts.netloc}{parts.path}'.rpartition('@')[2]}"


def _split(url: object) -> SplitResult | None:
    """Split a URL; None for an invalid one, which may hold a secret anywhere, so it is never quoted."""
    if not isinstance(url, str) or _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def is_loopback(host: str) -> bool:
    """Return whether the name or address is this computer, without a DNS request."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Frozen settings, and the checks that projects, clusters and URLs pass."""

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

# `urlsplit` drops some of these in silence and other parsers do not: no two readers may see two hosts in one URL.
# Surrogates stand for bytes that are not text, and cannot be sent.
_UNSAFE = re.compile("[\x00-\x20\x7f\\\\\ud800-\udfff]")
#: What documents put around the name of a value that the reader has to fill in.
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
    """Return a validator that takes a *kind* only.

    Raises:
        ConfigError: From the validator: it is something else.
    """

    def check(_: object, setting: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigError(f"setting {setting.alias} must be a {kind.__name__}, not {value!r}")

    return check


def above_zero(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    """Take a finite number above 0 only.

    Raises:
        ConfigError: It is something else.
    """
    if not (_is_number(value) and value > 0):
        raise ConfigError(f"setting {setting.name} must be a number above 0, not {value!r}")


def not_negative(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    """Take a finite number of 0 or more only.

    Raises:
        ConfigError: It is something else.
    """
    if not (_is_number(value) and value >= 0):
        raise ConfigError(f"setting {setting.name} must be a number of 0 or more, not {value!r}")


def _patience(settings: object, setting: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        above_zero(settings, setting, value)


def _count(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    if not (_is_number(value) and isinstance(value, int) and value >= 1):
        raise ConfigError(f"setting {setting.name} must be a whole number of 1 or more, not {value!r}")


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
    """How often to poll running calls; `docs/explanation/polling.md` explains why."""

    #: How late the end of a call of unknown length is seen at the most, as a part of its runtime: 0.1 is a tenth. Larger:
    #: fewer polls, later results.
    max_relative_lag: float = attrs.field(default=0.10, validator=above_zero)
    #: Seconds between two polls of a function at the least; seven tenths of it while calls queue. Larger: fewer polls,
    #: later results of short calls.
    floor: float = attrs.field(default=0.18, validator=above_zero)
    #: Seconds between two polls of a function at the most. Larger: fewer polls, later results of long calls.
    cap: float = attrs.field(default=5.0, validator=above_zero)
    #: What one more poll costs, in seconds that results are late, added over all calls of a function. Larger: fewer polls,
    #: later results; by the root of it. An old call's second counts for less, by the root of the call's age.
    poll_cost: float = attrs.field(default=0.125, validator=above_zero)
    #: Polls a second over the whole project, at the most.
    budget: float = attrs.field(default=100.0, validator=above_zero)


@attrs.frozen(kw_only=True)
class Retrying:
    """How often and how patiently a request that may be repeated is sent again."""

    #: Attempts in all.
    attempts: int = attrs.field(default=6, validator=_count)
    #: Seconds that the first wait takes at the most; each further one up to twice as long.
    base: float = attrs.field(default=0.5, validator=not_negative)
    #: Seconds that any wait takes at the most; a service that asks for more is given up on.
    cap: float = attrs.field(default=60.0, validator=not_negative)


def _statuses(value: Iterable[str] | str) -> tuple[str, ...]:
    named = (value,) if isinstance(value, str) else value if isinstance(value, Iterable) else ()
    return tuple(str(each) for each in named)


def _repeatable_ends(_: object, setting: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or not set(value) <= set(_FAILURES):
        raise ConfigError(f"setting {setting.name} must be Failed, Timeout or both, not {value!r}")


@attrs.frozen(kw_only=True)
class Retry:
    """What `client.call(..., retry=...)` does for a function that may run more than once without harm."""

    #: Calls in all, the first among them.
    attempts: int = attrs.field(default=3, validator=_count)
    #: The ends after which the function is called again.
    on: tuple[str, ...] = attrs.field(default=_FAILURES, converter=_statuses, validator=_repeatable_ends)
    #: Seconds from such an end until the call is queued again.
    wait: float = attrs.field(default=0.0, validator=not_negative)


@attrs.frozen(kw_only=True)
class Settings:
    """Everything about a client that can be set and has a default."""

    polling: Polling = attrs.field(factory=Polling, validator=of_kind(Polling))
    retrying: Retrying = attrs.field(factory=Retrying, validator=of_kind(Retrying))
    #: Calls that the service lets run at once, in a function and in the project.
    function_limit: int = attrs.field(default=100, validator=_count)
    project_limit: int = attrs.field(default=250, validator=_count)
    #: Calls that are being submitted at once, at the most. Larger: a burst of calls starts sooner, on more connections.
    max_concurrent_submissions: int = attrs.field(default=40, validator=_count)
    #: Responses and logs that are being read at once, at the most. Larger: they are there sooner, and take more memory.
    max_concurrent_reads: int = attrs.field(default=16, validator=_count)
    #: Seconds until a request has a connection and then until its whole answer must be there; until a new connection
    #: must stand.
    request_timeout: float = attrs.field(default=60.0, validator=above_zero)
    connect_timeout: float = attrs.field(default=10.0, validator=above_zero)
    #: Use the proxy that the variables HTTPS_PROXY and NO_PROXY say.
    trust_env: bool = attrs.field(default=False, validator=of_kind(bool))
    #: A file of certificates in PEM form: authorities to trust besides the system's.
    ca_file: str | None = attrs.field(default=None, converter=_path, validator=optional(of_kind(str)))
    #: Bytes of a call's data as JSON; None for what the cluster's cloud takes, where that is known.
    payload_limit: int | None = attrs.field(default=None, validator=optional(_count))
    #: Seconds that a function may run; None to ask the service.
    time_limit: float | None = attrs.field(default=None, validator=optional(above_zero))
    #: Seconds past its time limit after which a call that still runs is given up as lost.
    grace: float = attrs.field(default=60.0, validator=not_negative)
    #: Seconds for which a call waits for trouble to pass that says nothing of it: an outage, no token. Queued, it then
    #: fails with the last error; running, it ends as lost. None to wait for ever.
    patience: float | None = attrs.field(default=600.0, validator=_patience)
    #: The same while the service has never answered this client: a wrong address is likelier than an outage then.
    connect_patience: float | None = attrs.field(default=10.0, validator=_patience)
    #: How sessions for function calls are asked for: None for the best way that the service takes.
    session_grant: SessionGrant | None = attrs.field(default=None, validator=_session_grant)
    #: Warn where a call's data looks as if it held a secret.
    warn_secrets: bool = attrs.field(default=True, validator=of_kind(bool))
    #: How this client names itself to the service.
    app: str = attrs.field(default="aiocdf", validator=_header_value)


def base_url_of(cluster: str) -> str:
    """Return the address of a cluster, such as `westeurope-1`.

    Raises:
        ConfigError: The name cannot be one of a cluster.
    """
    if not isinstance(cluster, str) or not _CLUSTER.fullmatch(cluster):
        raise ConfigError(f"cluster {cluster!r} is no cluster's name; it looks like westeurope-1, without https://")
    return f"https://{cluster}{_DOMAIN}"


def address_of(base_url: str | None, cluster: str | None) -> str:
    """Return the address that is given in one of two ways, in its normal form.

    Raises:
        ConfigError: It is given in none or both, or cannot be used.
    """
    if (base_url is None) == (cluster is None):
        raise ConfigError("give either base_url or cluster")
    return check_url(base_url_of(cluster or "") if base_url is None else base_url, what="base_url")


def cluster_of(base_url: str) -> str:
    """Return the cluster that an address belongs to; host and port where it is none of Cognite's."""
    host = urlsplit(base_url).netloc
    return host.removesuffix(_DOMAIN)


def check_project(project: str) -> str:
    """Return *project* if it can be a project's name in a URL.

    Raises:
        ConfigError: It cannot.
    """
    if not isinstance(project, str) or not _PROJECT.fullmatch(project):
        # Not quoted: the project is the client's first argument, in whose place a token may stand by mistake.
        raise ConfigError("project is not a project name: it may have letters, digits, hyphens and underscores only")
    return project


def payload_limit(cluster: str) -> int | None:
    """Return the bytes of data that a call may carry on this cluster's cloud; None where the cloud is not known."""
    by_prefix = (limit for prefix, limit in _CLOUD_PREFIXES.items() if cluster.startswith(prefix))
    return _CLOUD_NAMES.get(cluster) or next(by_prefix, None)


@hide_arguments
def check_url(url: str, *, what: str, query: bool = False) -> str:
    """Return *url* in its normal form, without a trailing slash, if secrets may be sent to it.

    Plain http is for loopback addresses only. There is no setting that changes this.

    Args:
        url: An absolute URL, such as `https://api.cognitedata.com`.
        what: The name of the setting, for the error's message.
        query: It may have a query, as the endpoints of OAuth 2.0 may (RFC 6749 sections 3.1 and 3.2).

    Raises:
        ConfigError: It is no absolute https URL, or has a user name, a placeholder, a query or a fragment.
    """
    parts = _split(url)
    if parts is None:
        raise ConfigError(f"{what} is no absolute URL. It must look like https://host/path, without spaces.")
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
        raise ConfigError(f"{shown} is plain http, which everyone on the way can read. Use https.")
    tail = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}{tail}"


def shown_url(url: object) -> str:
    """Return the repr of a URL without user name and query, either of which may hold a secret."""
    if url is None:
        return "None"
    parts = _split(url)
    if parts is None:
        return "<no URL>"
    return repr(f"{_visible(parts)}{'?...' if parts.query else ''}")


def _visible(parts: SplitResult) -> str:
    """Return the part of a URL that messages may show: nothing up to the last '@', and no query."""
    return f"{parts.scheme}://{f'{parts.netloc}{parts.path}'.rpartition('@')[2]}"


def _split(url: object) -> SplitResult | None:
    """Take a URL apart; None for a bad one, which may hold a secret in any place, so that it is never quoted."""
    if not isinstance(url, str) or _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def is_loopback(host: str) -> bool:
    """Tell whether the name or address is this computer, without asking a resolver."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

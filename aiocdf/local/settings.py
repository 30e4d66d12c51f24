"""The settings of a local server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from aiocdf.config import check_project, is_loopback, of_kind
from aiocdf.errors import ConfigError, InvalidArgument
from aiocdf.local.api.calls import ErrorShape
from aiocdf.local.api.functions import MissingKey
from aiocdf.local.faults.fault import Faults
from aiocdf.local.http.hosts import host_names
from aiocdf.local.state.clouds import CloudName
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import OAuthClient, User

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["LoginFlow", "ServerSettings"]

LoginFlow = Literal["client_credentials", "interactive", "device_code"]


def _one_of(choices: Any) -> Any:
    """Return a validator of a field whose value is one of the choices."""

    def validate(_: object, field: attrs.Attribute[Any], value: Any) -> None:
        if value not in get_args(choices):
            raise InvalidArgument(f"{field.name} must be one of {', '.join(get_args(choices))}, not {value!r}")

    return validate


def _path(path: str | os.PathLike[str]) -> Path:
    return Path(path)


def _clients(clients: Iterable[OAuthClient]) -> tuple[OAuthClient, ...]:
    return tuple(clients) or (OAuthClient(client_id="local"), OAuthClient(client_id="aiocdf", client_secret=None))


def _users(users: Iterable[User]) -> tuple[User, ...]:
    return tuple(users) or (User(name="demo"),)


def _logger(logger: logging.Logger | None) -> logging.Logger:
    return logger or logging.getLogger("aiocdf.local")


@attrs.frozen(kw_only=True, eq=False)
class ServerSettings:
    """What a local server does, and how it is reached.

    Args:
        root: The folder of the functions: each folder in it with a `handler.py` is one. It can also be one function.
        port: The TCP port; 0 for a free one.
        host: The address to listen at; `localhost` for both loopback addresses. Any other needs `open_to_others`.
        open_to_others: Whether other machines may reach the server. It has no TLS: whoever records the traffic, or gets a
            secret in another way, can run any code as the user who started the server.
        allowed_hosts: Names by which clients reach the server, besides `host`, `localhost` and addresses. Requests for
            any other host are refused, because web pages could send them (DNS rebinding).
        project: The name of the one project.
        clients: Which programs may get tokens; if none are given, `local` with a random secret, and `aiocdf` with none,
            in which users sign in. Both may do everything.
        users: Who may sign in; if none are given, `demo` with a random password, who may do everything.
        cloud: The cloud whose figures hold: `gcp`, `azure` or `aws`. They differ in the size of data, in time and memory.
        limits: What is allowed; the service's limits on that cloud if not given.
        error_shape: What `error` of a failed call is: an `object` with message and trace, or the message as a `string`.
        missing_key: The name of external ids where an answer says which functions are unknown.
        state: The folder whose content the next server goes on with; None for one that is deleted as the server ends.
        fresh: Whether to delete what an earlier server has kept in `state`.
        faults: What goes wrong on purpose; nothing if not given.
        processes: How many function instances may run at once; if not given, one for each 64 MiB of memory, 4 to 250.
        executor: What runs function instances: `local`, or the scheduler of a Dask cluster, as in `dask://host:8786`, or
            `dask+tls://host:8786`. The latter needs the extra `dask`, here and on the workers.
        rerun_lost: Whether a call runs again if its worker is lost in the middle of it; else it ends as Failed.
        log: Where calls and crashes are logged; the logger `aiocdf.local` if not given.

    Raises:
        ConfigError: The project or a host has a name that is not valid, a limit has a wrong value, or other machines can
            reach the host, and `open_to_others` is not set.
        InvalidArgument: There is no such `cloud`, `error_shape` or `missing_key`.
    """

    root: Path = attrs.field(converter=_path)
    port: int
    host: str = attrs.field()
    open_to_others: bool = attrs.field(validator=of_kind(bool))
    allowed_hosts: frozenset[str] = attrs.field(converter=host_names)
    project: str = attrs.field(converter=check_project)
    clients: tuple[OAuthClient, ...] = attrs.field(converter=_clients, repr=False)
    users: tuple[User, ...] = attrs.field(converter=_users, repr=False)
    cloud: CloudName = attrs.field(validator=_one_of(CloudName))
    limits: Limits = attrs.field(validator=of_kind(Limits))
    error_shape: ErrorShape = attrs.field(validator=_one_of(ErrorShape))
    missing_key: MissingKey = attrs.field(validator=_one_of(MissingKey))
    state: Path | None = attrs.field(converter=attrs.converters.optional(_path))
    fresh: bool
    faults: Faults | None = attrs.field(validator=attrs.validators.optional(of_kind(Faults)))
    processes: int | None
    executor: str
    rerun_lost: bool
    log: logging.Logger = attrs.field(converter=_logger, repr=False)

    @host.validator
    def _check_host(self, _: object, host: str) -> None:
        if not (self.open_to_others or is_loopback(host.lower())):
            raise ConfigError(
                f"other machines could reach the server at {host!r}, and run code on this one: listen at 127.0.0.1, "
                "or allow it with --open-to-others or serve(open_to_others=True)"
            )

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
    """Return a validator for a field whose value is one of the choices."""

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
    """The settings of a local server.

    Args:
        root: The folder with the functions: each folder in it with a `handler.py` is a function. It can also be the
            folder of one function.
        port: The TCP port; 0 chooses a free one.
        host: The address to listen on. `localhost` means both loopback addresses. Addresses that other machines can
            reach need `open_to_others`.
        open_to_others: Whether other machines may reach the server. The server has no TLS: an attacker who reads the
            traffic or a secret can run any code as the user who started the server.
        allowed_hosts: More host names of the server, in addition to `host`, `localhost` and IP addresses. Requests for
            other hosts are rejected, because web pages could send them (DNS rebinding).
        project: The name of the project.
        clients: The OAuth clients. The default is `local` with a random secret, and `aiocdf` without a secret for users
            who sign in, both with all capabilities.
        users: The users who may sign in. The default is `demo` with a random password and all capabilities.
        cloud: The cloud whose limits apply: `gcp`, `azure` or `aws`. They differ in size of data, timeout and memory.
        limits: The limits of the server. The default is the service's limits on that cloud.
        error_shape: The form of `error` in a failed call: an `object` with message and trace, or the message as a
            `string`.
        missing_key: The key of unknown external ids in error responses.
        state: The folder for the state, which the next server continues with; None uses a temporary folder.
        fresh: Whether to delete the existing content of `state` at the start.
        faults: The faults to inject. The default is none.
        processes: How many function instances may run at once. The default is one for each 64 MiB of memory, from 4 to
            250. More: more calls in parallel, more memory.
        executor: Where function instances run: `local`, or a Dask cluster by the address of its scheduler, such as
            `dask://host:8786` or `dask+tls://host:8786`. A cluster needs the extra `dask` here and on the workers.
        rerun_lost: Whether a call runs again if its Dask worker is lost while it runs. Otherwise it ends as Failed.
        log: The logger for calls and errors. The default is `aiocdf.local`.

    Raises:
        ConfigError: The name of the project or of a host is not valid, a limit is not valid, or other machines could
            reach the host and `open_to_others` is not set.
        InvalidArgument: The `cloud`, `error_shape` or `missing_key` is unknown.
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
                f"at host {host!r}, other machines could reach the server and run code on this one: use 127.0.0.1, "
                "or allow it with --open-to-others or serve(open_to_others=True)"
            )

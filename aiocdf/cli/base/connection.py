"""The client of a command: of the local server that runs, or of the environment."""

from __future__ import annotations

from typing import Any

from aiocdf._from_env import client_arguments
from aiocdf.auth import ClientCredentials
from aiocdf.cli.base.running_servers import chosen_server, running_servers
from aiocdf.client import Client
from aiocdf.errors import ConfigError

__all__ = ["connection", "open_client"]


def open_client(*, local: bool, url: str | None) -> Client:
    """Return a client, to be opened with `async with`.

    Args:
        local: Use the one local server that runs.
        url: Use the local server at this address.

    Raises:
        ConfigError: The environment does not say what to use; or no such server runs, or several do.
    """
    return Client(**connection(local=local, url=url))


def connection(*, local: bool, url: str | None) -> dict[str, Any]:
    """Return the arguments of the client that `open_client` returns."""
    if not local and url is None:
        return _environment()
    server = chosen_server(running_servers(), url)
    credentials = ClientCredentials(
        token_url=server.token_url,
        client_id=server.client_id,
        client_secret=server.client_secret,
        scopes=server.scopes,
    )
    return {"project": server.project, "base_url": server.url, "credentials": credentials}


def _environment() -> dict[str, Any]:
    try:
        return client_arguments({})
    except ConfigError as error:
        servers = running_servers()
        if not servers:
            raise ConfigError(f"{error} With --local, this command then uses that server.") from None
        raise ConfigError(f"{error} Or add --local: a server runs at {servers[0].url}.") from None

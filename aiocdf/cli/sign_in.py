"""`aiocdf login`, `logout` and `whoami`: the sign-in that programs of the same user act by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiocdf._environment import read_environment
from aiocdf._from_env import connection_settings
from aiocdf.auth import AuthorizationCode, UserCredentials, credentials_from
from aiocdf.auth.oauth.prompt import open_browser
from aiocdf.cli.base.connection import connection
from aiocdf.cli.base.console import open_console
from aiocdf.cli.identity import show_identity
from aiocdf.client import Client
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.console import Console

    from aiocdf._environment import Environment
    from aiocdf.auth import Credentials

__all__ = ["run_login", "run_logout", "run_whoami"]


async def run_login() -> None:
    """Have the user sign in, unless that was done before, and show who it is.

    Raises:
        ConfigError: The environment does not say where to sign in.
        AuthError: There was no sign-in.
    """
    environment = read_environment()
    credentials = credentials_from(environment)
    console = open_console()
    if isinstance(credentials, AuthorizationCode):
        credentials = attrs.evolve(credentials, open_browser=False, show_url=lambda url: _show_page(console, url))
    async with _client(environment, credentials) as client:
        await show_identity(console, client)


async def run_logout() -> None:
    """End the user's sign-in, here and at the identity provider.

    Raises:
        ConfigError: The environment does not say which.
        InvalidArgument: By what the environment says, no user signs in.
        AuthError: The provider did not confirm it; here, the sign-in is over nevertheless.
    """
    environment = read_environment()
    credentials = credentials_from(environment)
    if not isinstance(credentials, UserCredentials):
        raise InvalidArgument(
            f"with LOGIN_FLOW {environment.login_flow!r} there is no sign-in of a user to end: only interactive and"
            " device_code have one"
        )
    async with _client(environment, credentials) as client:
        await client.logout()
    open_console().print(f"No user is signed in to project {environment.project} at {environment.base_url} now.")


async def run_whoami(*, local: bool, url: str | None) -> None:
    """Show as whom programs act, without a new sign-in.

    Args:
        local: As of `open_client`.
        url: As of `open_client`.

    Raises:
        ConfigError: The environment does not say how to sign in, or there is no such local server.
        AuthError: No user is signed in, or the identity provider refuses.
    """
    arguments = connection(local=local, url=url)
    if isinstance(arguments["credentials"], UserCredentials):
        arguments["credentials"] = attrs.evolve(arguments["credentials"], ask_user=False)
    async with Client(**arguments) as client:
        await show_identity(open_console(), client)


async def _show_page(console: Console, url: str) -> None:
    """Open the sign-in page, and show its address too: the browser may be on another screen, or not be one."""
    console.print("Sign in on the page that opens in your browser, or open it yourself:")
    console.out(f"{url}\n")
    await open_browser(url)


def _client(environment: Environment, credentials: Credentials) -> Client:
    settings = connection_settings(None)
    return Client(environment.project, credentials=credentials, base_url=environment.base_url, settings=settings)

"""`aiocdf login`, `logout` and `whoami`: the sign-in that programs of the same user share."""

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
    """Sign the user in, unless they are signed in already, and show who they are.

    Raises:
        ConfigError: The environment does not say where to sign in.
        AuthError: The sign-in failed.
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
        ConfigError: The environment does not say where the user is signed in.
        InvalidArgument: The environment's login flow has no user who signs in.
        AuthError: The provider did not confirm it. On this computer, the user is signed out.
    """
    environment = read_environment()
    credentials = credentials_from(environment)
    if not isinstance(credentials, UserCredentials):
        raise InvalidArgument(
            f"with LOGIN_FLOW {environment.login_flow!r}, no user signs in, so there is nothing to sign out of. Only interactive"
            " and device_code have a user's sign-in."
        )
    async with _client(environment, credentials) as client:
        await client.logout()
    open_console().print(f"No user is now signed in to project {environment.project} at {environment.base_url}.")


async def run_whoami(*, local: bool, url: str | None) -> None:
    """Show the identity that programs use, without a new sign-in.

    Args:
        local: As for `open_client`.
        url: As for `open_client`.

    Raises:
        ConfigError: The environment does not say how to sign in, or the local server is not running.
        AuthError: No user is signed in, or the identity provider rejected the request.
    """
    arguments = connection(local=local, url=url)
    if isinstance(arguments["credentials"], UserCredentials):
        arguments["credentials"] = attrs.evolve(arguments["credentials"], ask_user=False)
    async with Client(**arguments) as client:
        await show_identity(open_console(), client)


async def _show_page(console: Console, url: str) -> None:
    """Open the sign-in page and show its address, because the browser may be missing or on another screen."""
    console.print("Sign in on the page that opens in your browser, or open this address:")
    console.out(f"{url}\n")
    await open_browser(url)


def _client(environment: Environment, credentials: Credentials) -> Client:
    settings = connection_settings(None)
    return Client(environment.project, credentials=credentials, base_url=environment.base_url, settings=settings)

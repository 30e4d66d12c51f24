"""The environment variables that configure clients for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError
from aiocdf.local.identity.discovery import DISCOVERY_PATH
from aiocdf.local.identity.oauth import TOKEN_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.state.records import OAuthClient

__all__ = ["client_environment", "first_client"]


def first_client(clients: Iterable[OAuthClient], *, public: bool) -> OAuthClient:
    """Return the first client with a secret, or the first without one if *public* is set.

    Raises:
        ConfigError: The server does not have such a client.
    """
    for client in clients:
        if client.public == public:
            return client
    kind = "without a secret, for users who sign in" if public else "with a secret"
    raise ConfigError(f"this server has no client {kind}: pass serve() an OAuthClient {kind}")


def client_environment(client: OAuthClient, *, url: str, project: str, login_flow: str) -> dict[str, str]:
    """Return the environment variables for a client.

    Args:
        client: The client. If it has no secret, users sign in.
        url: The URL of the server.
        project: The name of the project.
        login_flow: The value of the variable for the login flow, such as `client_credentials`.
    """
    common = {"CDF_URL": url, "CDF_PROJECT": project, "LOGIN_FLOW": login_flow, "IDP_CLIENT_ID": client.client_id}
    if client.client_secret is None:
        return common | {
            "PROVIDER": "other",
            "IDP_DISCOVERY_URL": url + DISCOVERY_PATH,
            "IDP_SCOPES": f"{url}/.default,offline_access",
            "IDP_REDIRECT_URI": "http://127.0.0.1/callback",
        }
    return common | {
        "IDP_TOKEN_URL": url + TOKEN_PATH,
        "IDP_CLIENT_SECRET": client.client_secret.reveal(),
        "IDP_SCOPES": f"{url}/.default",
    }

"""The environment variables by which clients find the server."""

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
    """Return the first client that has a secret, or if `public` the first that has none.

    Raises:
        ConfigError: The server has no such client.
    """
    for client in clients:
        if client.public == public:
            return client
    kind = "without a secret, for users to sign in to" if public else "with a secret"
    raise ConfigError(f"this server has no client {kind}: give serve() an OAuthClient {kind}")


def client_environment(client: OAuthClient, *, url: str, project: str, login_flow: str) -> dict[str, str]:
    """Return the variables for a client.

    Args:
        client: The client; users sign in to it if it has no secret.
        url: The server's address.
        project: The project.
        login_flow: How the client gets tokens.
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

"""Credentials from the environment variables that Cognite's own tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.auth.bearer import BearerToken
from aiocdf.auth.client_credentials import COGNITE_TOKEN_URL, ClientCredentials, entra_token_url
from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from aiocdf.auth.credentials import Credentials
    from aiocdf.config import Environment

__all__ = ["credentials_from"]

_ENTRA_TOKEN_URL = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
_COGNITE_TOKEN_URL = "https://auth.cognite.com/oauth2/token"


def credentials_from(environment: Environment) -> Credentials:
    """Return the credentials that `LOGIN_FLOW` asks for.

    Raises:
        ConfigError: A variable of that flow is missing, or the flow is not known.
    """
    if environment.login_flow == "token":
        if environment.token is None:
            raise ConfigError(environment.missing("CDF_TOKEN"))
        return BearerToken(environment.token)
    if environment.login_flow == "client_credentials":
        return _client_credentials(environment)
    raise ConfigError(
        f"LOGIN_FLOW is {environment.login_flow!r}; it can be client_credentials or token. "
        "For any other way to sign in, pass credentials= to the client."
    )


def _client_credentials(environment: Environment) -> ClientCredentials:
    token_url = environment.token_url or _token_url(environment)
    if not (token_url and environment.client_id and environment.client_secret):
        needed = {
            "IDP_TOKEN_URL or IDP_TENANT_ID": token_url,
            "IDP_CLIENT_ID": environment.client_id,
            "IDP_CLIENT_SECRET": environment.client_secret,
        }
        raise ConfigError(environment.missing(*(name for name, value in needed.items() if not value)))
    cognite = environment.provider == "cdf"
    return ClientCredentials(
        token_url=token_url,
        client_id=environment.client_id,
        client_secret=environment.client_secret,
        scopes=environment.scopes or (() if cognite else (f"{environment.base_url.rstrip('/')}/.default",)),
        audience=environment.audience,
    )


def _token_url(environment: Environment) -> str | None:
    """Return the token endpoint of a provider that is known by name."""
    if environment.provider == "cdf":
        return COGNITE_TOKEN_URL
    if environment.provider == "entra_id" and environment.tenant:
        return entra_token_url(environment.tenant)
    return None

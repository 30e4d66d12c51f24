"""Credentials from the environment variables that Cognite's own tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf.auth.credentials.authorization_code import AuthorizationCode
from aiocdf.auth.credentials.bearer import BearerToken
from aiocdf.auth.credentials.client_credentials import ClientCredentials
from aiocdf.auth.credentials.device_code import DeviceCode
from aiocdf.auth.credentials.presets import (
    COGNITE_ISSUER,
    COGNITE_TOKEN_URL,
    ENTRA_DEVICE_CLIENT,
    entra_authority,
    entra_urls,
)
from aiocdf.auth.store.base import MemoryTokenStore
from aiocdf.auth.store.file import FileTokenStore
from aiocdf.auth.store.keyring import KeyringTokenStore
from aiocdf.config import check_url
from aiocdf.errors import ConfigError
from aiocdf.secret import hide_arguments

if TYPE_CHECKING:
    from aiocdf._environment import Environment
    from aiocdf.auth.credentials.protocol import Credentials
    from aiocdf.auth.oauth.provider import Provider

__all__ = ["credentials_from"]

_STORES = {"file": FileTokenStore, "keyring": KeyringTokenStore, "memory": MemoryTokenStore}
#: What users of Cognite's own tools have registered at their providers.
_REDIRECT_URI = "http://localhost:53000"
_AUTH0_SCOPES = ("IDENTITY", "user_impersonation")


@hide_arguments
def credentials_from(environment: Environment) -> Credentials:
    """Return the credentials that `LOGIN_FLOW` selects; sign-ins of users are kept for all programs of the user.

    Raises:
        ConfigError: A variable of that flow is missing, or its value is not known.
    """
    match environment.login_flow:
        case "token":
            if environment.token is None:
                raise ConfigError(environment.missing("CDF_TOKEN"))
            return BearerToken(environment.token)
        case "client_credentials":
            return _client_credentials(environment)
        case "interactive":
            redirect_uri = environment.redirect_uri or _REDIRECT_URI
            return AuthorizationCode(redirect_uri=redirect_uri, **_of_user(environment, "authorize_url"))
        case "device_code":
            return DeviceCode(**_of_user(environment, "device_url"))
        case unknown:
            raise ConfigError(
                f"LOGIN_FLOW is {unknown!r}; it can be client_credentials, token, interactive or device_code."
            )


def _client_credentials(environment: Environment) -> ClientCredentials:
    token_url = environment.token_url or _token_url(environment)
    if not (token_url and environment.client_id and environment.client_secret):
        is_entra = environment.provider == "entra_id"
        needed = {
            "IDP_TOKEN_URL or IDP_TENANT_ID" if is_entra else "IDP_TOKEN_URL": token_url,
            "IDP_CLIENT_ID": environment.client_id,
            "IDP_CLIENT_SECRET": environment.client_secret,
        }
        raise ConfigError(environment.missing(*(name for name, value in needed.items() if not value)))
    return ClientCredentials(
        token_url=token_url,
        client_id=environment.client_id,
        client_secret=environment.client_secret,
        scopes=environment.scopes or _scopes_of_application(environment),
        audience=_audience(environment),
    )


def _token_url(environment: Environment) -> str | None:
    """Return the token endpoint of a provider that is known by name."""
    if environment.provider == "cdf":
        return COGNITE_TOKEN_URL
    entra = _entra(environment)
    return entra.token_url if entra else None


def _of_user(environment: Environment, endpoint: str) -> dict[str, Any]:
    """Return the arguments that all sign-ins of users take; *endpoint* is the one that differs."""
    where = _where(environment, endpoint)
    is_entra, is_device = environment.provider == "entra_id", endpoint == "device_url"
    client_id = environment.client_id or (ENTRA_DEVICE_CLIENT if is_entra and is_device else None)
    if client_id is None:
        raise ConfigError(environment.missing("IDP_CLIENT_ID"))
    store = _STORES.get(environment.token_store)
    if store is None:
        raise ConfigError(f"AIOCDF_TOKEN_STORE is {environment.token_store!r}; it can be {', '.join(_STORES)}.")
    return {
        **where,
        "client_id": client_id,
        "service": environment.base_url,
        "scopes": environment.scopes or _scopes_of_user(environment, is_device=is_device),
        "audience": _audience(environment),
        "store": store(),
    }


def _where(environment: Environment, endpoint: str) -> dict[str, str | None]:
    """Return where users sign in."""
    if environment.provider == "entra_id":
        entra = _entra(environment)
        if entra is None:
            raise ConfigError(environment.missing("IDP_TENANT_ID"))
        return {"token_url": entra.token_url, endpoint: getattr(entra, endpoint)}
    issuer = environment.discovery_url or (COGNITE_ISSUER if environment.provider == "cdf" else None)
    if issuer is None:
        raise ConfigError(environment.missing("IDP_DISCOVERY_URL"))
    return {"issuer": issuer}


def _entra(environment: Environment) -> Provider | None:
    """Return the addresses of the directory in Entra ID, if it is that and known."""
    if environment.provider != "entra_id" or not (environment.authority_url or environment.tenant):
        return None
    if environment.authority_url:
        check_url(environment.authority_url, what="IDP_AUTHORITY_URL")  # which is not an endpoint, and gets a path
    return entra_urls(environment.authority_url or entra_authority(environment.tenant or ""))


def _scopes_of_application(environment: Environment) -> tuple[str, ...]:
    """Return the scopes that an application usually requests from the provider, as Cognite's own tools do."""
    match environment.provider:
        case "cdf":
            return ()
        case "auth0":
            return _AUTH0_SCOPES
        case _:
            return (_scope(environment, ".default"),)


def _scopes_of_user(environment: Environment, *, is_device: bool) -> tuple[str, ...]:
    """Return the scopes of a user's sign-in; the last one keeps the user signed in."""
    match environment.provider:
        case "entra_id" if is_device:
            return (_scope(environment, "IDENTITY"), _scope(environment, "user_impersonation"), "offline_access")
        case "entra_id":
            return (_scope(environment, ".default"), "offline_access")
        case "auth0":
            return (*_AUTH0_SCOPES, "offline_access")
        case _:
            return ("offline_access",)


def _scope(environment: Environment, name: str) -> str:
    return f"{environment.cluster_url.rstrip('/')}/{name}"


def _audience(environment: Environment) -> str | None:
    """Return the audience of tokens, which Auth0 requires."""
    if environment.audience or environment.provider != "auth0":
        return environment.audience
    return f"https://{environment.project}.fusion.cognite.com/{environment.project}"

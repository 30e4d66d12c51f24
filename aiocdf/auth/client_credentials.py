"""An application's own id and secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Self, get_args
from urllib.parse import quote

import attrs

from aiocdf.auth.exchange import exchange
from aiocdf.config import base_url_of, check_url
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request
    from aiocdf.auth.token import AccessToken

__all__ = ["COGNITE_TOKEN_URL", "ClientCredentials", "entra_token_url"]

AuthMethod = Literal["client_secret_post", "client_secret_basic"]

COGNITE_TOKEN_URL = "https://auth.cognite.com/oauth2/token"

_OWN_FIELDS = frozenset({"grant_type", "client_id", "client_secret", "scope", "audience", "resource"})
_SURROGATES = re.compile("[\ud800-\udfff]")


@attrs.frozen(kw_only=True, init=False)
class ClientCredentials:
    """An application's own id and secret, traded for access tokens (RFC 6749 section 4.4).

    Args:
        token_url: The identity provider's token endpoint; https, or http on a loopback address. It is used as given.
        client_id: The application's id.
        client_secret: The application's secret; it is wrapped and never shown.
        scopes: What to ask for: an iterable, or a text that parts them by spaces or commas.
        audience: Whom the token is for, with providers that want it said (Auth0, for one).
        resource: The same in the words of RFC 8707: one or more URIs.
        extra: Further fields of the token request; their values are kept like secrets.
        auth_method: How the secret is sent: `client_secret_post`, in the body, or `client_secret_basic`, in a header.

    Raises:
        ConfigError: Something is missing, or cannot be sent or sent safely.
    """

    token_url: str
    client_id: str
    client_secret: Secret
    scopes: tuple[str, ...]
    audience: str | None
    resource: tuple[str, ...]
    extra: Mapping[str, Secret] = attrs.field(hash=False)
    auth_method: AuthMethod

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: str | Secret,
        scopes: str | Iterable[str] | None = None,
        audience: str | None = None,
        resource: str | Iterable[str] | None = None,
        extra: Mapping[str, str | Secret] | None = None,
        auth_method: AuthMethod = "client_secret_post",
    ) -> None:
        """Wrap what is secret, then check."""
        # First, and in the same variables: a check that fails must find no bare secret among the locals of its traceback.
        client_secret = _wrap(client_secret)
        extra = wrapped = {name: _wrap(value) for name, value in (extra or {}).items()}
        self.__attrs_init__(
            token_url=token_url,
            client_id=client_id,
            client_secret=client_secret,
            scopes=_split(scopes),
            audience=audience,
            resource=_split(resource),
            extra=wrapped,
            auth_method=auth_method,
        )

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, and less clearly."""
        check_url(self.token_url, what="token_url")
        if not _is_text(self.client_id):
            raise ConfigError("client_id is empty or not text. Give the id of an application at the identity provider.")
        if not _is_text(self.client_secret.reveal()):
            raise ConfigError(f"client_secret of client {self.client_id!r} is empty or not text.")
        if self.auth_method not in get_args(AuthMethod):
            raise ConfigError(f"auth_method {self.auth_method!r} is none of {', '.join(get_args(AuthMethod))}.")
        if taken := sorted(_OWN_FIELDS & self.extra.keys()):
            raise ConfigError(f"extra must not set {', '.join(taken)}: use the argument of that meaning.")

    @classmethod
    def entra(cls, *, tenant: str, client_id: str, client_secret: str | Secret, cluster: str) -> Self:
        """Make credentials of an application in Microsoft Entra ID.

        Args:
            tenant: The directory's id or domain.
            client_id: The application's id.
            client_secret: The secret's value, not its id.
            cluster: The Cognite cluster, such as `westeurope-1` or `api`.
        """
        client_secret = _wrap(client_secret)
        return cls(
            token_url=entra_token_url(tenant),
            client_id=client_id,
            client_secret=client_secret,
            scopes=(f"{base_url_of(cluster)}/.default",),
        )

    @classmethod
    def cognite(cls, *, client_id: str, client_secret: str | Secret) -> Self:
        """Make credentials of a service account at Cognite's own identity provider, which takes no scopes.

        Args:
            client_id: The account's id.
            client_secret: Its secret.
        """
        client_secret = _wrap(client_secret)
        return cls(token_url=COGNITE_TOKEN_URL, client_id=client_id, client_secret=client_secret)

    async def fetch(self, transport: Transport) -> AccessToken:
        """Ask the token endpoint for an access token.

        Raises:
            OAuthError: The provider refused.
            AuthError: The provider could not be reached.
        """
        return await exchange(self._request(), transport)

    def session_item(self) -> Mapping[str, str | Secret]:
        """Return the item for `POST /sessions` that lets a function act as this application."""
        return {"clientId": self.client_id, "clientSecret": self.client_secret}

    def _request(self) -> Request:
        """Build the token request."""
        # Not with the module: Authlib takes as long to import as a third of aiocdf.
        from aiocdf.auth.oauth import client_credentials_request

        audience = [("audience", self.audience)] if self.audience else []
        return client_credentials_request(
            self.token_url,
            client_id=self.client_id,
            client_secret=self.client_secret,
            auth_method=self.auth_method,
            scope=" ".join(self.scopes),
            more=[
                *audience,
                *(("resource", uri) for uri in self.resource),
                *((name, value.reveal()) for name, value in self.extra.items()),
            ],
        )


def entra_token_url(tenant: str) -> str:
    """Return the token endpoint of a directory in Microsoft Entra ID."""
    return f"https://login.microsoftonline.com/{quote(tenant, safe='')}/oauth2/v2.0/token"


def _wrap(value: object) -> Secret:
    """Wrap a secret; what is no string becomes an empty one, which is refused where no traceback shows it."""
    return Secret(value) if isinstance(value, str | Secret) else Secret("")


def _split(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Take names from an iterable, or from a text that parts them by spaces or commas."""
    return tuple(re.findall(r"[^\s,]+", names)) if isinstance(names, str) else tuple(names or ())


def _is_text(value: object) -> bool:
    """Tell whether it is text that can be sent: undecodable bytes in the environment become surrogates."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)

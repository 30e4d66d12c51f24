"""An application's own id and secret, or key."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Literal, Self, get_args

import attrs

from aiocdf.auth.credentials.presets import COGNITE_TOKEN_URL, OPEN_INDUSTRIAL_DATA, entra_authority, entra_urls
from aiocdf.auth.credentials.validation import (
    as_mapping,
    check_client_id,
    check_extra,
    check_key_header,
    check_targets,
    is_text,
    split_names,
)
from aiocdf.auth.oauth.sending import send_token_request
from aiocdf.auth.oauth.token import read_token_response
from aiocdf.config import base_url_of, check_url, shown_url
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, hide_arguments, safe_to_show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request
    from aiocdf.auth.oauth.token import AccessToken

__all__ = ["ClientCredentials"]

AuthMethod = Literal["client_secret_post", "client_secret_basic", "private_key_jwt"]

_OWN_FIELDS = frozenset(
    {
        "audience",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "grant_type",
        "resource",
        "scope",
    }
)


@safe_to_show
@attrs.frozen(kw_only=True, init=False)
class ClientCredentials:
    """An application's own id and secret, traded for access tokens (RFC 6749 section 4.4).

    Args:
        token_url: The identity provider's token endpoint; https, or http on a loopback address. It is used as given.
        client_id: The application's id.
        client_secret: The application's secret; it is wrapped and never shown. With `private_key_jwt`, its private key
            instead: RSA, EC or Ed25519 as unencrypted PEM text.
        scopes: The scopes to request: an iterable, or a text with spaces or commas between them.
        audience: The service that the token is for; some providers require it (such as Auth0).
        resource: The same in the words of RFC 8707: one or more URIs.
        extra: Further fields of the token request; their values are kept like secrets.
        auth_method: How the secret is used: `client_secret_post` sends it in the body, `client_secret_basic` in a
            header; `private_key_jwt` signs with the key, which is never sent (RFC 7523).
        key_header: What the provider knows the key by, such as `{"kid": ...}`, or `{"x5t": ...}` for Entra ID. It may
            set `kid`, `typ`, `x5t` and `x5t#S256`.

    Raises:
        ConfigError: An argument is missing, or must not be sent, or not safely.
    """

    token_url: str = attrs.field(repr=shown_url)
    client_id: str
    client_secret: Secret
    scopes: tuple[str, ...]
    audience: str | None
    resource: tuple[str, ...]
    extra: Mapping[str, Secret] = attrs.field(hash=False)
    auth_method: AuthMethod
    key_header: Mapping[str, str] = attrs.field(hash=False)

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
        key_header: Mapping[str, str] | None = None,
    ) -> None:
        """Wrap the secrets, then check."""
        self.__attrs_init__(
            token_url=token_url,
            client_id=client_id,
            client_secret=_wrap(client_secret),
            scopes=split_names(scopes),
            audience=audience,
            resource=split_names(resource),
            extra={name: _wrap(value) for name, value in as_mapping(extra, what="extra").items()},
            auth_method=auth_method,
            key_header=as_mapping(key_header, what="key_header"),
        )

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, and less clearly."""
        check_url(self.token_url, what="token_url", query=True)
        check_client_id(self.client_id)
        if not is_text(self.client_secret.reveal()):
            raise ConfigError(f"client_secret of client {self.client_id!r} is empty or not text.")
        if self.auth_method not in get_args(AuthMethod):
            raise ConfigError(f"auth_method must be one of {', '.join(get_args(AuthMethod))}.")
        check_targets(scopes=self.scopes, audience=self.audience, resource=self.resource)
        check_extra({name: value.reveal() for name, value in self.extra.items()}, own=_OWN_FIELDS)
        check_key_header(self.key_header)

    @classmethod
    @hide_arguments
    def entra(cls, *, tenant: str, client_id: str, client_secret: str | Secret, cluster: str) -> Self:
        """Make credentials of an application in Microsoft Entra ID.

        Args:
            tenant: The directory's id or domain.
            client_id: The application's id.
            client_secret: The secret's value, not its id.
            cluster: The Cognite cluster, such as `westeurope-1` or `api`.
        """
        return cls(
            token_url=entra_urls(entra_authority(tenant)).token_url,
            client_id=client_id,
            client_secret=client_secret,
            scopes=(f"{base_url_of(cluster)}/.default",),
        )

    @classmethod
    @hide_arguments
    def cognite(cls, *, client_id: str, client_secret: str | Secret) -> Self:
        """Make credentials of a service account at Cognite's own identity provider, which takes no scopes.

        Args:
            client_id: The account's id.
            client_secret: Its secret.
        """
        return cls(token_url=COGNITE_TOKEN_URL, client_id=client_id, client_secret=client_secret)

    @classmethod
    @hide_arguments
    def open_industrial_data(cls, client_secret: str | Secret) -> Self:
        """Make credentials for Open Industrial Data: project `publicdata` on cluster `api`, which may only be read.

        Args:
            client_secret: The secret that its web page gives to each user.
        """
        return cls.entra(client_secret=client_secret, **OPEN_INDUSTRIAL_DATA)

    async def fetch(self, transport: Transport, old: AccessToken | None = None) -> AccessToken:
        """Request an access token from the token endpoint.

        Raises:
            OAuthError: The provider refused.
            AuthError: The provider could not be reached.
            ConfigError: The private key is not readable.
        """
        # A signature takes its time, and so does the import of what makes it.
        signs = self.auth_method == "private_key_jwt"
        request = await asyncio.to_thread(self._request) if signs else self._request()
        read = partial(read_token_response, proven=old is not None)
        return await send_token_request(request, transport, read)

    def session_item(self) -> Mapping[str, str | Secret] | None:
        """Return the item for `POST /sessions` that lets a function act as this application; a key makes none."""
        if self.auth_method == "private_key_jwt":
            return None
        return {"clientId": self.client_id, "clientSecret": self.client_secret}

    def _request(self) -> Request:
        """Build the token request."""
        # Not with the module: Authlib takes as long to import as a third of aiocdf.
        from aiocdf.auth.oauth.requests import ClientIdentity, token_request

        audience = [("audience", self.audience)] if self.audience else []
        return token_request(
            self.token_url,
            ClientIdentity(
                client_id=self.client_id,
                secret=self.client_secret,
                method=self.auth_method,
                key_header=self.key_header,
            ),
            grant_type="client_credentials",
            scope=" ".join(self.scopes),
            secrets=self.extra,
            more=[*audience, *(("resource", uri) for uri in self.resource)],
        )


def _wrap(value: object) -> Secret:
    """Wrap a secret; a value that is not a string becomes an empty one, which is rejected later."""
    return Secret(value) if isinstance(value, str | Secret) else Secret("")

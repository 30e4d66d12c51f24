"""Building OAuth 2.0 requests: Authlib builds them, and aiocdf sends them itself."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode

import attrs
from authlib.oauth2.client import OAuth2Client

from aiocdf import _clock
from aiocdf._wire.http import Request
from aiocdf.secret import Secret, hide_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authlib.oauth2.auth import ClientAuth

__all__ = ["ClientIdentity", "authorization_url", "device_authorization_request", "revocation_request", "token_request"]

#: Fields of requests whose values are settings.
_PUBLIC = frozenset(
    {
        "audience",
        "client_assertion_type",
        "client_id",
        "grant_type",
        "redirect_uri",
        "resource",
        "scope",
        "token_type_hint",
    }
)
#: Seconds that a signed assertion of who we are is good for.
_ASSERTION_LIFE = 300


@attrs.frozen(kw_only=True)
class ClientIdentity:
    """How an application names itself to the identity provider, and proves it."""

    client_id: str
    #: A client secret, or a private key as PEM; None for an application that cannot keep one.
    secret: Secret | None = None
    #: `none`, `client_secret_post`, `client_secret_basic` or `private_key_jwt`.
    method: str = "none"
    #: The header of a signed assertion, without its algorithm.
    key_header: Mapping[str, str] = attrs.field(factory=dict)


@hide_arguments  # also of what they call: frames of the builders hold bare secrets
def token_request(
    token_url: str,
    client: ClientIdentity,
    *,
    grant_type: str,
    scope: str = "",
    code: Secret | None = None,
    secrets: Mapping[str, Secret] | None = None,
    more: Iterable[tuple[str, str]] = (),
) -> Request:
    """Build a token request (RFC 6749 sections 4.1.3, 4.4.2 and 6; RFC 8628 section 3.4).

    Args:
        token_url: The token endpoint.
        client: The application.
        grant_type: What is exchanged for a token.
        scope: Scopes, separated by spaces; empty for none.
        code: The authorization code, if one is traded.
        secrets: Further form fields that must stay secret.
        more: Further form fields. A name may come more than once.
    """
    # Fields go in as a body: as keywords they would collide with Authlib's own arguments and could not repeat.
    # New headers, because Authlib's default is one dict for the whole process, into which Basic writes the secret.
    request: Request = _builder(client).fetch_token(
        token_url,
        grant_type=grant_type,
        body=urlencode([*more, *((name, secret.reveal()) for name, secret in (secrets or {}).items())]),
        headers=_headers(),
        scope=scope,
        code=code.reveal() if code else None,
    )
    return request


@hide_arguments
def authorization_url(
    authorize_url: str,
    client: ClientIdentity,
    *,
    redirect_uri: str,
    scope: str,
    state: str,
    verifier: Secret,
    more: Iterable[tuple[str, str]] = (),
) -> str:
    """Build the address at which a user signs in (RFC 6749 section 4.1.1), with the challenge of RFC 7636.

    Args:
        authorize_url: The authorization endpoint.
        client: The application.
        redirect_uri: Where the browser is redirected.
        scope: Scopes, separated by spaces; empty for none.
        state: Identifies the answer to this request.
        verifier: Proves, with the token request, that the same client made both requests (PKCE).
        more: Further parameters. A name may come more than once.
    """
    url, _ = _builder(client).create_authorization_url(
        authorize_url, state=state, code_verifier=verifier.reveal(), redirect_uri=redirect_uri, scope=scope
    )
    return "&".join([url, *([urlencode(added)] if (added := list(more)) else [])])


@hide_arguments
def device_authorization_request(
    device_url: str, client: ClientIdentity, *, scope: str, more: Iterable[tuple[str, str]]
) -> Request:
    """Build the device authorization request (RFC 8628 section 3.1), for which Authlib has no method."""
    scopes = [("scope", scope)] if scope else []
    body = urlencode([("client_id", client.client_id), *scopes, *more])
    return _post(f"device code for client {client.client_id!r}", device_url, body, _headers())


@hide_arguments
def revocation_request(revoke_url: str, client: ClientIdentity, *, refresh_token: Secret) -> Request:
    """Build the request that ends a sign-in at the provider (RFC 7009 section 2.1)."""
    request: Request = _builder(client).revoke_token(
        revoke_url, token=refresh_token.reveal(), token_type_hint="refresh_token", body="", headers=_headers()
    )
    return request


class _RequestBuilder(OAuth2Client):  # type: ignore[misc]
    """Authlib's client with its I/O replaced by returning the request."""

    def _fetch_token(self, url: str, body: str, headers: dict[str, str], auth: ClientAuth, method: str) -> Request:
        """Hand out what Authlib would send for a token."""
        url, headers, body = auth.prepare(method, url, headers, body)
        return _post(f"access token for client {self.client_id!r}", url, body, headers)

    def _http_post(self, url: str, body: str, auth: ClientAuth, headers: dict[str, str]) -> Request:
        """Hand out what Authlib would send to revoke a token."""
        url, headers, body = auth.prepare("POST", url, headers, body)
        return _post(f"end of the sign-in for client {self.client_id!r}", url, body, headers)


def _builder(client: ClientIdentity) -> _RequestBuilder:
    """Return Authlib's client, for one request."""
    builder = _RequestBuilder(
        None,
        client.client_id,
        client.secret.reveal() if client.secret else None,
        token_endpoint_auth_method=client.method,
        revocation_endpoint_auth_method=client.method,
        code_challenge_method="S256",  # without it, Authlib would leave the challenge out in silence
    )
    builder.register_client_auth_method(("client_secret_basic", _encode_basic))
    if client.method == "private_key_jwt":
        _sign_with_key(builder, client)
    return builder


def _sign_with_key(builder: _RequestBuilder, client: ClientIdentity) -> None:
    """Make the builder prove itself by a signature (RFC 7523 section 2.2)."""
    # Not with the module: it brings in all of cryptography, which takes longer to import than aiocdf.
    from authlib.oauth2.rfc7523 import PrivateKeyJWT

    from aiocdf.auth.oauth.private_key import algorithm_of, import_key

    assert client.secret is not None  # noqa: S101 - this method requires a key
    builder.client_secret = key = import_key(client.secret)
    builder.register_client_auth_method(
        PrivateKeyJWT(
            headers=dict(client.key_header),
            alg=algorithm_of(key),
            claims={"exp": int(_clock.wall()) + _ASSERTION_LIFE},
        )
    )


def _post(name: str, url: str, body: str, headers: Mapping[str, str]) -> Request:
    return Request(
        name=name,
        method="POST",
        url=url,
        headers=headers,
        body=body.encode("ascii"),
        secrets=tuple(Secret(value) for value in _secret_values(body, headers)),
    )


def _secret_values(body: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what no error may repeat: the values of all fields but those that are known to be none of it."""
    yield from (value for name, value in parse_qsl(body) if name not in _PUBLIC)
    if basic := headers.get("Authorization", "").removeprefix("Basic "):
        yield basic
        yield unquote_plus(base64.b64decode(basic).decode("ascii").partition(":")[2])


def _headers() -> dict[str, str]:
    return {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


def _encode_basic(
    client: ClientAuth, _method: str, url: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, Any], str]:
    """Form-encode id and secret before base64, as RFC 6749 section 2.3.1 says and Authlib does not."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return url, headers | {"Authorization": f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"}, body

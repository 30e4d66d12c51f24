"""The endpoints of an identity provider, given by the user or read from its discovery document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from aiocdf._wire.http import Request, is_html
from aiocdf.auth.oauth.sending import send_token_request
from aiocdf.auth.oauth.token import json_object, refusal
from aiocdf.config import check_url, shown_url
from aiocdf.errors import AuthError, OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Response

__all__ = ["Provider", "discover", "issuer_of"]

_OPENID = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"
_ADVICE = "Check issuer or IDP_DISCOVERY_URL."


@attrs.frozen(kw_only=True)
class Provider:
    """The endpoints of an identity provider."""

    token_url: str = attrs.field(repr=shown_url)
    authorize_url: str | None = attrs.field(default=None, repr=shown_url)
    device_url: str | None = attrs.field(default=None, repr=shown_url)
    revoke_url: str | None = attrs.field(default=None, repr=shown_url)
    #: Its name, if known; an answer to a sign-in with another name is rejected (RFC 9207).
    issuer: str | None = None
    #: It puts its name into the answer to a sign-in, so an answer without a name is rejected.
    names_itself: bool = False
    #: It supports code challenges with S256, unless it says otherwise.
    takes_s256: bool = True


async def discover(issuer: str, transport: Transport) -> Provider:
    """Read the addresses of a provider (OpenID Connect Discovery 1.0; else RFC 8414).

    Args:
        issuer: Its name, which is also the base of the document's address.
        transport: What sends requests.

    Raises:
        OAuthError: There is no such document, or it is of another issuer.
        AuthError: The provider could not be reached.
        ConfigError: One of its addresses is plain http and not loopback.
    """
    base = issuer.rstrip("/")
    try:
        document = await _document(f"{base}{_OPENID}", transport)
    except OAuthError as error:
        if error.status != 404:
            raise
        parts = urlsplit(base)
        document = await _document(f"{parts.scheme}://{parts.netloc}{_OAUTH}{parts.path}", transport)
    return _read(document, issuer)


def issuer_of(url: str) -> str:
    """Return the issuer from its name, or from the address of its discovery document."""
    return url.removesuffix(_OPENID) if isinstance(url, str) else url


async def _document(url: str, transport: Transport) -> Mapping[str, Any]:
    request = Request(name="discovery document", method="GET", url=url, headers={"Accept": "application/json"})
    return await send_token_request(request, transport, _read_document)


def _read_document(response: Response, *, what: str, asked_at_wall: float) -> Mapping[str, Any] | AuthError:  # noqa: ARG001 - has no age
    document = json_object(response.body)
    if response.status != 200:
        return refusal(response.status, document, what, advice=_ADVICE)
    if document:
        return document
    came = "an HTML page, not JSON" if is_html(response) else "no such document"
    return OAuthError(f"{what}: the answer is {came}. {_ADVICE}", status=response.status)


def _read(document: Mapping[str, Any], issuer: str) -> Provider:
    """Take the addresses from a document, if it is the issuer's own."""
    name = document.get("issuer")
    if isinstance(name, str) and "{" in name:
        raise OAuthError(
            f"the discovery document of issuer {issuer} is a template for many tenants: its issuer is {name!r}. Give the"
            " issuer of your own tenant, with its id instead of a name such as 'common' or 'organizations'."
        )
    # A slash at the end more or less is a slip of the pen, and leads to the same document.
    if not isinstance(name, str) or name.rstrip("/") != issuer.rstrip("/"):
        raise OAuthError(f"the discovery document of issuer {issuer} has the issuer {name!r}. Give that as the issuer.")
    methods = document.get("code_challenge_methods_supported")
    token_url = _endpoint(document, "token_endpoint")
    if token_url is None:
        raise OAuthError(f"the discovery document of issuer {issuer} names no token_endpoint.")
    return Provider(
        token_url=token_url,
        authorize_url=_endpoint(document, "authorization_endpoint"),
        device_url=_endpoint(document, "device_authorization_endpoint"),
        revoke_url=_endpoint(document, "revocation_endpoint"),
        issuer=name,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        takes_s256=not isinstance(methods, list) or "S256" in methods,
    )


def _endpoint(document: Mapping[str, Any], name: str) -> str | None:
    """Return an address of the document, if it is safe to send secrets to it."""
    url = document.get(name)
    if not isinstance(url, str):
        return None
    check_url(url, what=name, query=True)
    return url

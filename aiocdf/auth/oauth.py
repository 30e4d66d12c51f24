"""OAuth 2.0 requests, built by Authlib and sent by nobody but us."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from authlib.oauth2.client import OAuth2Client

from aiocdf._wire.http import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authlib.oauth2.auth import ClientAuth

    from aiocdf.secret import Secret

__all__ = ["client_credentials_request"]

#: Seconds until a token endpoint's answer must be there.
_TIMEOUT = 30.0


def client_credentials_request(
    token_url: str,
    *,
    client_id: str,
    client_secret: Secret,
    auth_method: str,
    scope: str,
    more: Iterable[tuple[str, str]],
) -> Request:
    """Build the token request of the client credentials grant (RFC 6749 section 4.4.2).

    Args:
        token_url: The token endpoint.
        client_id: The application's id.
        client_secret: Its secret.
        auth_method: `client_secret_post` or `client_secret_basic`.
        scope: Scopes, parted by spaces; empty for none.
        more: Further form fields. A name may come more than once.
    """
    builder = _RequestBuilder(
        None, client_id, client_secret.reveal(), token_endpoint_auth_method=auth_method, scope=scope
    )
    builder.register_client_auth_method(("client_secret_basic", _encode_basic))
    # Fields go in as a body: as keywords they would collide with Authlib's own arguments and could not repeat.
    # Headers of our own, because Authlib's default is one dict for the whole process, into which Basic writes the secret.
    request: Request = builder.fetch_token(
        token_url,
        grant_type="client_credentials",
        body=urlencode(list(more)),
        headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
    )
    return request


class _RequestBuilder(OAuth2Client):  # type: ignore[misc]
    """Authlib's client with its I/O replaced by returning the request."""

    def _fetch_token(self, url: str, body: str, headers: dict[str, str], auth: ClientAuth, method: str) -> Request:
        """Hand out what Authlib would send."""
        url, headers, body = auth.prepare(method, url, headers, body)
        return Request(
            name=f"access token for client {self.client_id!r}",
            method=method,
            url=url,
            headers=headers,
            body=body.encode("ascii"),
            timeout=_TIMEOUT,
        )


def _encode_basic(
    client: ClientAuth, _method: str, url: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, Any], str]:
    """Form-encode id and secret before base64, as RFC 6749 section 2.3.1 says and Authlib does not."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return url, headers | {"Authorization": f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"}, body

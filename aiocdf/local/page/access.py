"""Who may use the page: whoever knows the key in the address that the server prints.

The key is the part of the address behind `#`, which browsers do not send. The page's script sends it as a bearer token.
It does not use a cookie: a browser would send that to other servers of this computer too, and with requests that other pages make.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import attrs
from aiohttp import hdrs

from aiocdf.local.http.problems import Unauthorized
from aiocdf.local.identity.issuer import digest, random_secret
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["PageKey"]


@attrs.frozen
class PageKey:
    """The key of the page, a new one at each start of the server."""

    key: Secret = attrs.field(factory=random_secret)

    def check(self, request: web.Request) -> None:
        """Refuse a request without the key.

        Raises:
            Unauthorized: The request has no key, or another one.
        """
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest(Secret(given)), digest(self.key)):
            raise Unauthorized

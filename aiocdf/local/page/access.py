"""Access to the page: it needs the key in the URL that the server prints.

The key is the part of the URL after `#`, which browsers do not send. The page's script sends it as a bearer token. It
is not in a cookie: a browser would send that to other servers on this machine, and with requests of other pages.
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
    """The key of the page. It is new at each start of the server."""

    key: Secret = attrs.field(factory=random_secret)

    def check(self, request: web.Request) -> None:
        """Check the key of a request.

        Raises:
            Unauthorized: The request does not have the right key.
        """
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest(Secret(given)), digest(self.key)):
            raise Unauthorized

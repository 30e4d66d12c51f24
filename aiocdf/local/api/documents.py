"""The server's own OpenAPI document, and the page that shows it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import web

from aiocdf.local.http.application import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DocumentEndpoints"]

#: The files by the paths that they are served at.
FILES: Final = {
    "/openapi.json": ("openapi.json", "application/json"),
    "/reference": ("index.html", "text/html"),
    "/reference/style.css": ("style.css", "text/css"),
    "/reference/script.js": ("script.js", "text/javascript"),
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _read() -> dict[str, str]:
    folder = files("aiocdf.local.api") / "reference"
    return {path: (folder / name).read_text(encoding="utf-8") for path, (name, _) in FILES.items()}


@attrs.frozen
class DocumentEndpoints:
    """What `/openapi.json` and `/reference` answer, to everyone."""

    texts: dict[str, str] = attrs.field(factory=_read, repr=False)

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        for path in FILES:
            yield Route("GET", path, self.show, None)

    async def show(self, request: web.Request) -> web.Response:
        """Return a file."""
        _, content_type = FILES[request.path]
        return web.Response(text=self.texts[request.path], content_type=content_type, headers=HEADERS)

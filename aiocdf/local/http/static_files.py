"""Files of the package that need no token: pages, with their styles and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from aiocdf.local.http.application import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable

    from aiocdf.local.http.application import Handler

__all__ = ["static_routes"]

#: Pages load files only from this server, run no inline scripts, and are not shown in frames of other pages.
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}


def static_routes(folder: Traversable, names: Mapping[str, str]) -> Iterable[Route]:
    """Return the endpoints that serve files.

    Args:
        folder: The folder of the files.
        names: The names of the files by the paths of their URLs.
    """
    for path, name in names.items():
        text = (folder / name).read_text(encoding="utf-8")
        yield Route("GET", path, _serving(text, TYPES[name.rpartition(".")[2]]), None)


def _serving(text: str, content_type: str) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type, headers=HEADERS)

    return serve

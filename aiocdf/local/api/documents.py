"""The server's OpenAPI document, and the page that shows it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiocdf.local.http.static_files import static_routes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.http.application import Route

__all__ = ["document_routes"]

FILES: Final = {
    "/openapi.json": "openapi.json",
    "/reference": "index.html",
    "/reference/style.css": "style.css",
    "/reference/script.js": "script.js",
}


def document_routes() -> Iterable[Route]:
    """Return the endpoints `/openapi.json` and `/reference`, which need no token."""
    return static_routes(files("aiocdf.local.api") / "reference", FILES)

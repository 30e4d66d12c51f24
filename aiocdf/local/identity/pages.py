"""The sign-in pages, rendered from the files in `templates`."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from aiohttp import web

from aiocdf.local.http.problems import Problem

__all__ = ["PageProblem", "allow_device", "ask_for_code", "message", "sign_in"]

_FOLDER: Final = files("aiocdf.local.identity") / "templates"
_STYLE: Final = (_FOLDER / "style.css").read_text(encoding="utf-8")
_TEMPLATES: Final = {
    name: Template((_FOLDER / f"{name}.html").read_text(encoding="utf-8"))
    for name in ("layout", "authorize", "device", "code", "message")
}
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# Without `form-action`, because browsers also apply it to the target of a redirect, which is the client's own URL.
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    # Not `no-referrer`: browsers would not send the origin of a form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageProblem(Problem):
    """An error response as a page for users."""

    def response(self) -> web.Response:
        """Return the response."""
        page = message("Request failed", str(self), status=self.status)
        page.headers.update(self.headers)
        return page


def sign_in(client: str, project: str, *, address: str, wrong: bool) -> web.Response:
    """Return the page on which users sign in and allow a client to act for them.

    Args:
        client: The name of the client.
        project: The project for which the client requests access.
        address: The redirect URI, where the browser goes after the page.
        wrong: Whether the last password was wrong.
    """
    texts = {"client": client, "project": project, "address": address, "wrong": _wrong_password(wrong=wrong)}
    return _page("authorize", "Sign in", texts, 403 if wrong else 200)


def allow_device(client: str, project: str, *, code: str, wrong: bool) -> web.Response:
    """Return the page on which users sign in and allow a client on another device to act for them.

    Args:
        client: The name of the client.
        project: The project for which the client requests access.
        code: The user code that the device shows.
        wrong: Whether the last password was wrong.
    """
    texts = {"client": client, "project": project, "code": code, "wrong": _wrong_password(wrong=wrong)}
    return _page("device", "Sign in", texts, 403 if wrong else 200)


def ask_for_code(*, wrong: bool) -> web.Response:
    """Return the page on which users enter the code that their device shows.

    Args:
        wrong: Whether the last code was wrong.
    """
    text = "This code is wrong or has expired. Check the code on your device." if wrong else ""
    return _page("code", "Connect a device", {"wrong": text}, 404 if wrong else 200)


def message(title: str, text: str, *, status: int = 200) -> web.Response:
    """Return a page that shows a message."""
    return _page("message", title, {"text": text}, status)


def _page(template: str, title: str, texts: dict[str, str], status: int) -> web.Response:
    """Return a page made from a template. Texts are untrusted, so they are escaped."""
    body = _TEMPLATES[template].substitute({name: escape(text) for name, text in texts.items()})
    html = _TEMPLATES["layout"].substitute(title=escape(title), style=_STYLE, body=body)
    return web.Response(text=html, content_type="text/html", status=status, headers=_HEADERS)


def _wrong_password(*, wrong: bool) -> str:
    return "The user name or the password is wrong." if wrong else ""

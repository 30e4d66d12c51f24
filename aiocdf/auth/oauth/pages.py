"""The pages that the browser shows after the redirect, made from the files in `templates`."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

__all__ = ["FAILED", "FINISHED", "page"]

#: Title and text.
FINISHED: Final = ("All done here", "Your program continues with your sign-in. You can close this page.")
FAILED: Final = ("Not signed in", "Your program says why. You can close this page.")


def page(status: str, title: str, text: str = "") -> bytes:
    """Return an answer with a page that is not cached, and that loads nothing and sends no referrer.

    Args:
        status: The code and reason of the status line.
        title: Fixed text, as is `text`; nothing that came from outside.
        text: The text below the title.
    """
    template, style, style_hash = _files()
    body = template.substitute(style=style, title=title, text=text).encode()
    head = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{style_hash}'; frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


@cache
def _files() -> tuple[Template, str, str]:
    """Return the template, and the style with its hash, when a page is first needed: most programs show none."""
    folder = Path(__file__).with_name("templates")
    style = (folder / "style.css").read_text(encoding="utf-8")
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Template((folder / "page.html").read_text(encoding="utf-8")), style, style_hash

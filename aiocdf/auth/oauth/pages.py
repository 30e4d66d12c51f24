"""The pages that the browser shows after the redirect."""

from __future__ import annotations

__all__ = ["FAILED", "FINISHED", "page"]

_LAYOUT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>aiocdf</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 0 1rem }}
  main {{ max-width: 26rem; text-align: center }}
  h1 {{ font-size: 1.5rem; margin: 0 0 .5rem }}
  p {{ margin: 0; opacity: .75 }}
</style>
<main>{content}</main>
</html>
"""

FINISHED = "<h1>All done here</h1><p>Your program goes on with your sign-in. You can close this page.</p>"
FAILED = "<h1>Not signed in</h1><p>Your program says why. You can close this page.</p>"


def page(status: str, content: str) -> bytes:
    """Return an answer with a page that no cache keeps, and that loads and tells nothing else.

    Args:
        status: The code and reason of the status line.
        content: Our own text; nothing that came from outside.
    """
    body = _LAYOUT.format(content=content).encode()
    head = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body

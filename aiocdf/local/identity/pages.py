"""The pages that people see when they sign in."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from aiohttp import web

from aiocdf.local.http.problems import Problem

__all__ = ["PageProblem", "ask_for_code", "message", "sign_in"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5d6b7e; --line: #ccd4de; --page: #eef1f5; --card: #fff;
  --main: #1f5fd0; --on-main: #fff; --bad: #a8261c; --bad-page: #fcebe9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --dim: #a3afbf; --line: #3d4858; --page: #12161d;
  --card: #1b212b; --main: #7eaaff; --on-main: #0c1a33; --bad: #ffb1a8; --bad-page: #3a1d1b } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 25rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem }
header { margin-bottom: 1.5rem; color: var(--dim); font-size: .875rem }
header b { color: var(--ink) }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
label { display: block; margin: 0 0 1rem; font-weight: 600; font-size: .875rem }
input { display: block; width: 100%; margin-top: .25rem; padding: .625rem .75rem; border: 1px solid var(--line);
  border-radius: .5rem; background: var(--card); color: inherit; font: inherit }
.code { font: 600 1.375rem/1.5 ui-monospace, monospace; letter-spacing: .1em }
input.code { text-transform: uppercase }
:focus-visible { outline: 2px solid var(--main); outline-offset: 2px }
.buttons { display: flex; gap: .75rem; margin-top: 1.5rem }
button { flex: 1; padding: .625rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: none;
  color: inherit; font: inherit; font-weight: 600; cursor: pointer }
button.main { border-color: var(--main); background: var(--main); color: var(--on-main) }
.bad { padding: .625rem .75rem; border-radius: .5rem; background: var(--bad-page); color: var(--bad) }
footer { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--dim);
  font-size: .8125rem }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - aiocdf</title>
<style>{style}</style>
</head>
<body>
<main>
<header><b>aiocdf</b> local server</header>
<h1>{title}</h1>
{body}
<footer>A server for development, which knows only the users that it was started with. Enter no other password here.</footer>
</main>
</body>
</html>
"""

_CREDENTIALS = """<form method="post">
{wrong}<label>User name <input name="user" autocomplete="username" autocapitalize="none" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<div class="buttons">
<button class="main" name="decision" value="allow">{allow}</button>
<button name="decision" value="refuse" formnovalidate>{refuse}</button>
</div>
</form>"""

_CODE = """<form method="get">
{wrong}<label>Code <input class="code" name="user_code" autocomplete="off" spellcheck="false" required autofocus></label>
<div class="buttons"><button class="main">Continue</button></div>
</form>"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# There is no `form-action`: browsers apply it to where a form redirects too, which is the client's own address.
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    # Not `no-referrer`: browsers would no longer say from where a form comes.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageProblem(Problem):
    """An error answer for people."""

    def response(self) -> web.Response:
        """Return the answer."""
        page = message("That did not work", str(self), status=self.status)
        page.headers.update(self.headers)
        return page


def sign_in(
    client: str, project: str, *, address: str | None = None, code: str | None = None, wrong: bool
) -> web.Response:
    """Return the page on which users let a program act for them.

    Args:
        client: The program.
        project: Where it is to act.
        address: The address that the page leads to.
        code: The code that the program shows, if it runs on another device.
        wrong: Whether the last password was wrong.
    """
    text = f"<p><b>{escape(client)}</b> asks to act for you in the project <b>{escape(project)}</b>.</p>\n"
    if code is not None:
        text += (
            f"<p>Allow it only if the device in front of you shows this code:</p>\n<p class=code>{escape(code)}</p>\n"
        )
    if address is not None:
        text += f"<p>From here you return to {escape(address)}.</p>\n"
    form = _CREDENTIALS.format(
        wrong=_bad("User name and password do not belong together.") if wrong else "",
        allow="Sign in" if code is None else "Allow",
        refuse="Cancel" if code is None else "Refuse",
    )
    return _page("Sign in", text + form, 403 if wrong else 200)


def ask_for_code(*, wrong: bool) -> web.Response:
    """Return the page on which users type in what their device shows.

    Args:
        wrong: Whether no device shows the code that they typed last.
    """
    text = "<p>Type in the code that it shows.</p>\n"
    form = _CODE.format(wrong=_bad("No device waits with this code. It may have expired.") if wrong else "")
    return _page("Connect a device", text + form, 404 if wrong else 200)


def message(title: str, text: str, *, status: int = 200) -> web.Response:
    """Return a page that only says something."""
    return _page(title, f"<p>{escape(text)}</p>", status)


def _page(title: str, body: str, status: int) -> web.Response:
    html = _PAGE.format(title=escape(title), style=_STYLE, body=body)
    return web.Response(text=html, content_type="text/html", status=status, headers=_HEADERS)


def _bad(text: str) -> str:
    return f'<p class="bad" role="alert">{text}</p>\n'

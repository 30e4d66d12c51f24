"""A person at a browser, without both: opens a URL and fills in whatever forms come, until there are none."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Self

import aiohttp
import attrs
from yarl import URL

__all__ = ["Page", "Person"]

MOST_FORMS = 8


@attrs.define
class Form:
    """A form, with what its fields hold."""

    action: str
    fields: dict[str, str] = attrs.field(factory=dict)


class Forms(HTMLParser):
    """Finds the forms of a page, and the links out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])


@attrs.frozen
class Page:
    """What the browser shows at last."""

    url: URL
    status: int
    text: str
    headers: dict[str, str]

    def find(self) -> Forms:
        """Return its forms and links."""
        found = Forms()
        found.feed(self.text)
        return found


class Person:
    """Signs in where a URL leads to.

    Args:
        answers: What to enter, by a field's name; other fields stay as they are.
    """

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        # Browsers send cookies to hosts without a name too.
        self._browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._browser.close()

    async def sign_in(self, url: str) -> Page:
        """Fill in and send form after form."""
        page = await self._open("GET", URL(url))
        for _ in range(MOST_FORMS):
            if not page.find().forms:
                return page
            page = await self._send(page)
        raise AssertionError(f"forms without end, the last at {page.url.path}: {page.text}")

    async def refuse(self, url: str) -> Page:
        """Follow the way out that the first page offers."""
        page = await self._open("GET", URL(url))
        (way_out,) = [link for link in page.find().links if link.endswith("/abort")]
        return await self._open("GET", page.url.join(URL(way_out)))

    async def refuse_device(self, url: str) -> Page:
        """Enter the code, and say no on the page that asks whether it was meant."""
        page = await self._send(await self._open("GET", URL(url)))
        return await self._send(page, abort="yes")

    async def _send(self, page: Page, **button: str) -> Page:
        """Fill in the first form of a page, and send it."""
        form = page.find().forms[0]
        filled = {name: self.answers.get(name, value) for name, value in form.fields.items()}
        return await self._open("POST", page.url.join(URL(form.action)), data=filled | button)

    async def _open(self, method: str, url: URL, **more: dict[str, str]) -> Page:
        async with self._browser.request(method, url, **more) as answer:
            return Page(answer.url, answer.status, await answer.text(), dict(answer.headers))

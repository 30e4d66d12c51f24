"""An HTTP request and its answer as plain values, so that everything but the transport works without a socket."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import attrs

from aiocdf.config import shown_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.secret import Secret

__all__ = ["Request", "Response", "StorageRequest", "http_date", "is_html", "is_object", "one_line", "retry_after"]

_LONGEST_LINE = 1000
_SECONDS = re.compile(r"\d{1,9}(?:\.\d+)?", re.ASCII)


@attrs.frozen(kw_only=True)
class Request:
    """A request, ready to be sent."""

    #: What this is in the service's words, for messages and events: "call function 12".
    name: str
    method: str
    #: An absolute URL; a query may hold a key.
    url: str = attrs.field(repr=shown_url)
    #: May hold an Authorization value, so it is never shown.
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    #: May hold a nonce or a client secret, so it is never shown.
    body: bytes | None = attrs.field(default=None, repr=False)
    #: Sending it twice does no more than sending it once.
    repeatable: bool = True
    #: The capability that the service asks for, such as "functionsAcl:RUN".
    capability: str | None = None
    #: Seconds until the whole answer must be there; None for the transport's own limit.
    timeout: float | None = None
    #: Seconds without a byte of the answer after which it is given up; None for as many as the whole answer may take.
    silence: float | None = None
    #: Bytes of the answer, after decompression, that are read; None for the transport's own limit.
    max_answer: int | None = None
    #: What the request carries and no error that quotes the answer may repeat.
    secrets: tuple[Secret, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class StorageRequest(Request):
    """A request to where the service keeps contents of files: the address alone gives access, and the answer is not JSON.

    No token goes with it: the address may be of another host.
    """

    url: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Response:
    """An answer, read to its end."""

    status: int
    #: To be asked by names in lower case.
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    #: Loop time in seconds just before the request was sent and just after the answer was read.
    sent_at: float
    received_at: float


def http_date(text: str | None) -> datetime | None:
    """Read a date as headers have it (RFC 9110 section 5.6.7); None where there is none to read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_html(response: Response) -> bool:
    """Tell whether an answer says that it is a web page."""
    return "html" in response.headers.get("content-type", "").lower()


def is_object(response: Response) -> bool:
    """Tell whether the body begins and ends as a JSON object does, without reading what may be megabytes."""
    return response.body.lstrip()[:1] == b"{" and response.body.rstrip()[-1:] == b"}"


def retry_after(response: Response) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3) as seconds; a date counts from the answer's own.

    None where there is none to read.
    """
    said = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    until, now = http_date(said), http_date(response.headers.get("date"))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def one_line(text: str) -> str:
    """Make a text from elsewhere fit for one line of a terminal: short, and without control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST_LINE])
    return " ".join(printable.split())[:_LONGEST_LINE]

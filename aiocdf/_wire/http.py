"""An HTTP request and its answer as plain values, so that only the transport needs a socket."""

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

    #: What the request does, for messages and events: "call function 12".
    name: str
    method: str
    #: An absolute URL; a query may hold a key.
    url: str = attrs.field(repr=shown_url)
    #: Not shown, because it may hold an Authorization value.
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    #: Not shown, because it may hold a nonce or a client secret.
    body: bytes | None = attrs.field(default=None, repr=False)
    #: The request is idempotent: sending it twice has the same effect as once.
    repeatable: bool = True
    #: The capability that the service requires, such as "functionsAcl:RUN".
    capability: str | None = None
    #: The time limit of the whole answer in seconds; None for the transport's limit.
    timeout: float | None = None
    #: The time limit without a byte of the answer, in seconds; None for the limit of the whole answer.
    silence: float | None = None
    #: The maximum size of the decompressed answer, in bytes; None for the transport's limit.
    max_answer: int | None = None
    #: Secrets in the request, which errors that quote the answer must not repeat.
    secrets: tuple[Secret, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class StorageRequest(Request):
    """A request to where the service keeps contents of files: the address alone gives access, and the answer is not JSON.

    No token goes with it: the address may be of another host.
    """

    url: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Response:
    """A complete answer."""

    status: int
    #: Names are in lower case.
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    #: Loop time in seconds just before the request was sent and just after the answer was read.
    sent_at: float
    received_at: float


def http_date(text: str | None) -> datetime | None:
    """Read a date of a header (RFC 9110 section 5.6.7); None if it is not valid."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_html(response: Response) -> bool:
    """Return whether the content type of an answer is HTML."""
    return "html" in response.headers.get("content-type", "").lower()


def is_object(response: Response) -> bool:
    """Return whether the body begins and ends like a JSON object, without parsing what may be megabytes."""
    return response.body.lstrip()[:1] == b"{" and response.body.rstrip()[-1:] == b"}"


def retry_after(response: Response) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3) as seconds; a date counts from the date of the answer.

    Returns:
        The seconds; None without a valid header.
    """
    said = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    until, now = http_date(said), http_date(response.headers.get("date"))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def one_line(text: str) -> str:
    """Return foreign text as one short line without control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST_LINE])
    return " ".join(printable.split())[:_LONGEST_LINE]

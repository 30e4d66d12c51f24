from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.http import Request, Response, http_date
from aiocdf._wire.json import json_request, member, read_items, read_json, read_value, server_date
from aiocdf.errors import DecodeError
from aiocdf.models import LogEntry
from aiocdf.secret import Secret

REQUEST = Request(name="read something", method="GET", url="https://cdf.test/x")


def answer(body: bytes, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=200, headers=named, body=body, sent_at=0.0, received_at=1.0)


def test_secrets_are_revealed_on_the_wire_only() -> None:
    """A Secret in a body becomes its text in the bytes, and the request does not show it."""
    grant = {"clientId": "app", "clientSecret": Secret("s3cr3t")}
    request = json_request("create a session", "POST", "https://cdf.test/sessions", {"items": [grant]})

    assert json.loads(request.body) == {"items": [{"clientId": "app", "clientSecret": "s3cr3t"}]}
    assert "s3cr3t" not in repr(request)
    assert request.secrets == (Secret("s3cr3t"),)


def test_no_body() -> None:
    """A GET has no body."""
    assert json_request("read", "GET", "https://cdf.test").body is None


def test_ready_made_body() -> None:
    """A body that is JSON text already travels as it is."""
    assert json_request("call", "POST", "https://cdf.test", encoded=b'{"data":{}}').body == b'{"data":{}}'


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"<html>", {"content_type": "text/html; charset=utf-8"}, "an HTML page, so this is probably not the address"),
        (b"<html>", {"content_type": "TEXT/HTML"}, "an HTML page, so this is probably not the address"),
        (b"", {}, r"0 bytes is not JSON \(no content type\)"),
        (b"\xff\xfe\x00", {"content_type": "application/octet-stream"}, r"not JSON \(application/octet-stream\)"),
        (b'{"a":', {"content_type": "application/json"}, r"not JSON \(application/json\)"),
    ],
)
def test_no_json(body, headers, words) -> None:
    """The error for an answer that is not JSON names its type and what to check, and does not quote it."""
    with pytest.raises(DecodeError, match=rf"^read something: .*{words}.*: check base_url or CDF_URL.$") as caught:
        read_json(REQUEST, answer(body, **headers))

    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("body", "words"), [(b'{"response":-%b}' % (b"1" * 5000), "whole number"), (b"[" * 100_000, "nested too deeply")]
)
def test_json_past_a_limit(body, words) -> None:
    """JSON that Python does not read for its size is not called by another kind, and no address is to blame."""
    with pytest.raises(DecodeError, match=words) as caught:
        read_json(REQUEST, answer(body, content_type="application/json"))

    assert "base_url" not in str(caught.value)
    assert caught.value.__context__ is None


def test_json_with_a_byte_order_mark() -> None:
    """Proxies that put a byte order mark in front do no harm."""
    assert read_json(REQUEST, answer(b"\xef\xbb\xbf{}")) == {}


def test_items() -> None:
    """The items of an answer are read one by one; the error names the one at fault."""
    assert read_items(REQUEST, answer(b'{"items":[{"message":"a"},{}]}'), LogEntry) == [
        LogEntry(message="a"),
        LogEntry(),
    ]
    with pytest.raises(DecodeError, match="read something") as caught:
        read_items(REQUEST, answer(b'{"items":[{},{"timestamp":"x"}]}'), LogEntry)
    assert caught.value.path == "$.items[1].timestamp"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"items":{}}', b'{"items":null}', b'"items"'])
def test_no_items(body) -> None:
    """An answer without its items is an error with a path, whatever came instead."""
    with pytest.raises(DecodeError, match=r"the answer has no list at \$\.items") as caught:
        read_items(REQUEST, answer(body), LogEntry)

    assert caught.value.path == "$.items"


def test_member() -> None:
    """A member of the right kind is returned as it is."""
    assert member(REQUEST, {"status": "requested"}, "status", str) == "requested"


def test_value() -> None:
    """An answer with one value is read as one; the error names the request."""
    assert read_value(REQUEST, answer(b'{"message":"a"}'), LogEntry).message == "a"
    with pytest.raises(DecodeError, match=r"^read something does not fit LogEntry"):
        read_value(REQUEST, answer(b"[]"), LogEntry)


def test_errors_hold_no_answer() -> None:
    """The error for an answer that is not JSON does not contain the answer, unlike the error of `json`."""
    with pytest.raises(DecodeError) as caught:
        read_json(REQUEST, answer(b'{"nonce":"s3cr3t"'))
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = [str(frame.locals) for frame in report.stack if frame.name == "read_json"]

    assert shown
    assert "s3cr3t" not in "".join(shown)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:00:10 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:00:10 -0000", 10.0),
        ("Thu, 01 Jan 1970 01:00:10 +0100", 10.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000.0),
        ("yesterday", None),
        ("", None),
        ("Thu, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("1 Jan 1970 0:0:99999999999999999", None),
    ],
)
def test_server_date(date, seconds) -> None:
    """The Date header is read in seconds, in any local time zone; an invalid date is None."""
    assert server_date(answer(b"", date=date)) == seconds


def test_no_server_date() -> None:
    """Answers without a date say nothing of the time."""
    assert server_date(answer(b"")) is None


@given(st.text() | st.text(alphabet="Thu, 01 Jan:9GMT+-"))
def test_any_date(text) -> None:
    """No header whatever gets anything but a time with a zone, or nothing."""
    moment = http_date(text)

    assert moment is None or moment.tzinfo is not None

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf import CallRef
from aiocdf._wire.http import Request, Response
from aiocdf._wire.problems import api_error, call_error
from aiocdf.errors import (
    ApiError,
    BadRequest,
    CallFailed,
    CallTimedOut,
    Conflict,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)
from aiocdf.models import CallStatus, FunctionCall, FunctionError

REQUEST = Request(name="call function 12", method="POST", url="https://cdf.test/x", capability="functionsAcl:RUN")


def problem(status: int, body: Any = b"", **headers: str) -> ApiError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api_error(REQUEST, Response(status=status, headers=named, body=body, sent_at=0.0, received_at=0.0))


@pytest.mark.parametrize(
    ("status", "extra", "kind"),
    [
        (400, {}, BadRequest),
        (401, {}, Unauthorized),
        (403, {}, PermissionDenied),
        (404, {}, NotFound),
        (408, {}, BadRequest),
        (409, {}, Conflict),
        (413, {}, BadRequest),
        (422, {}, BadRequest),
        (429, {}, RateLimited),
        (500, {}, ServerError),
        (503, {}, ServerError),
        (302, {}, BadRequest),
        (400, {"missing": [{"externalId": "nope"}]}, NotFound),
        (422, {"missing": [{"id": 1}]}, NotFound),
        (404, {"missing": []}, NotFound),
        (400, {"duplicated": [{"externalId": "taken"}]}, Conflict),
        (409, {"duplicated": [{"externalId": "taken"}]}, Conflict),
        (500, {"missing": [{"id": 1}]}, ServerError),
        (403, {"missing": [{"id": 1}]}, PermissionDenied),
    ],
)
def test_class(status, extra, kind) -> None:
    """The class follows from the status, and from what is missing or taken already."""
    error = problem(status, {"error": {"code": status, "message": "Sorry"} | extra})

    assert type(error) is kind
    assert (error.status, error.code, error.detail) == (status, status, "Sorry")


def test_message() -> None:
    """The message names the request, the status, the service's own text, the ids and the request id."""
    body = {"error": {"code": 400, "message": "Functions not found.", "missing": [{"externalId": "nope"}, {"id": 3}]}}
    error = problem(400, body, x_request_id="r-1")

    for part in ("call function 12", "400", "Functions not found.", "externalId 'nope'", "id 3", "[request r-1]"):
        assert part in str(error)
    assert error.missing == ({"externalId": "nope"}, {"id": 3})
    assert error.request_id == "r-1"


def test_permission_names_the_capability() -> None:
    """A 403 names the missing capability."""
    assert "functionsAcl:RUN" in str(problem(403, {"error": {"code": 403, "message": "No"}}))


def test_both_spellings_of_external_ids() -> None:
    """What is missing or taken is named alike, in whichever spelling the service sends it."""
    body = {"error": {"missing": [{"external_id": "nope"}], "duplicated": [{"externalId": "taken"}]}}

    error = problem(400, body)

    assert error.missing == ({"externalId": "nope"},)
    assert error.duplicated == ({"externalId": "taken"},)


def test_many_missing() -> None:
    """Of a thousand missing ids the message names a few, and the exception has all."""
    error = problem(400, {"error": {"message": "?", "missing": [{"id": n} for n in range(1000)]}})

    assert len(str(error)) < 400
    assert "and more" in str(error)
    assert len(error.missing) == 1000


@pytest.mark.parametrize(
    ("body", "headers", "detail"),
    [
        ({"error": "just text"}, {}, "just text"),
        ({"error": {"message": "words"}}, {}, "words"),
        ({"error": {"message": 5}}, {}, "5"),
        ({"error": {"message": ["x"]}}, {}, "['x']"),
        (b"plain text", {"content_type": "text/plain"}, "plain text"),
        (b"", {}, ""),
        (b"<html>Bad gateway</html>", {"content_type": "text/html"}, "an HTML page of 24 bytes came instead of JSON"),
        (b"\x00\xff\x1b[31m", {}, "\ufffd [31m"),
        ({"error": None}, {}, '{"error": null}'),
        ({"error": {}}, {}, '{"error": {}}'),
        ([1], {}, "[1]"),
        (b"[" * 100_000, {}, "[" * 1000),
        (b"a" * 5000, {}, "a" * 1000),
    ],
)
def test_shapes_of_bodies(body, headers, detail) -> None:
    """The text of error objects, strings and bodies that are not JSON is in the message, cut and on one line."""
    error = problem(502, body, **headers)

    assert error.detail.strip().startswith(detail)
    assert len(error.detail) <= 1000
    assert (detail.rstrip(".") or "without a message") in str(error)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 429, 502])
def test_page(status) -> None:
    """A web page, by whatever status, is a matter of the address and of nothing else."""
    message = str(problem(status, b"<html>", content_type="text/html; charset=utf-8"))

    for part in (str(status), "an HTML page of 6 bytes", "base_url", "CDF_URL"):
        assert part in message


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://login.test/a/b?next=s3cr3t#s3cr3t", "https://login.test/a/b"),
        ("https://user:s3cr3t@login.test:1/a", "https://login.test:1/a"),
        ("/elsewhere?x=s3cr3t", "https://cdf.test/elsewhere"),
        ("http://[s3cr3t/", "an invalid address"),
        ("https://a.test/\x1b2J", "https://a.test/ 2J"),
    ],
)
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_redirect(location, target, kind) -> None:
    """The error for a redirect instead of an answer names its target, without query and user, and what to set."""
    error = problem(302, b"<html>", content_type=kind, location=location)

    assert f" {target}. " in str(error)
    assert "CDF_URL" in str(error)
    assert "s3cr3t" not in str(error)
    assert not any(not letter.isprintable() for letter in str(error))


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("https://[::1]/x", True),
        ("https://a.b/x", False),
    ],
)
def test_unauthorized_by_a_local_server(url, local) -> None:
    """On loopback, a token that is not accepted may be from an earlier run of the local server."""
    request = Request(name="call function 12", method="POST", url=url)
    error = api_error(request, Response(status=401, headers={}, body=b"", sent_at=0.0, received_at=0.0))

    assert ("`aiocdf serve` started again" in str(error)) is local


def test_failing_service() -> None:
    """The message has the request id if the answer has one."""
    body = {"error": {"code": 500, "message": "Oops"}}

    assert "request id" not in str(problem(500, body))
    assert "[request r-1]" in str(problem(500, body, x_request_id="r-1"))


@given(st.text() | st.binary() | st.dictionaries(st.text(), st.text()), st.integers(300, 599))
def test_any_message(message, status) -> None:
    """No answer whatever gets anything but an exception whose text is one line without control characters."""
    body = message if isinstance(message, bytes) else {"error": message}

    assert str(problem(status, body, content_type="text/plain")).isprintable()


@given(
    st.dictionaries(st.text(max_size=9), st.integers() | st.text(), max_size=3),
    st.text(st.characters(max_codepoint=255)),
)
def test_any_identifier(identifier, request_id) -> None:
    """Neither what the service repeats of identifiers nor its headers bring control characters into the message."""
    error = problem(400, {"error": {"message": "?", "missing": [identifier]}}, x_request_id=request_id)

    assert str(error).isprintable()


def test_long_identifier() -> None:
    """An identifier as long as a book does not fill the screen."""
    assert len(str(problem(400, {"error": {"message": "?", "missing": [{"externalId": "x" * 100_000}]}}))) < 2000


@pytest.mark.parametrize("field", ["missing", "duplicated"])
@pytest.mark.parametrize("value", ["text", 7, None, {"id": 1}, [1, "a", None]])
def test_odd_lists(field, value) -> None:
    """A value that is not a list of objects is ignored."""
    error = problem(400, {"error": {"message": "?", field: value}})

    assert (error.missing, error.duplicated) == ((), ())


@pytest.mark.parametrize(
    ("header", "field", "retryable"),
    [
        (None, None, None),
        ("true", None, True),
        ("True ", None, True),
        ("false", None, False),
        (None, True, True),
        (None, False, False),
        (None, "true", None),
        ("false", True, False),
        ("true", False, True),
    ],
)
def test_retryable(header, field, retryable) -> None:
    """What the service says of sending again is read from the newer header and the older field; the header counts."""
    headers = {} if header is None else {"cdf_is_auto_retryable": header}
    error = problem(503, {"error": {"message": "?", "isAutoRetryable": field}}, **headers)

    assert error.retryable is retryable


NOW = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("0", None, 0.0),
        ("7", None, 7.0),
        (" 1.5 ", None, 1.5),
        ("Tue, 14 Nov 2023 22:13:50 GMT", NOW, 30.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", NOW, 0.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", None, None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", "nonsense", None),
        ("nonsense", NOW, None),
        ("", NOW, None),
        ("-5", NOW, None),
        ("nan", NOW, None),
        ("inf", NOW, None),
        ("1e9", NOW, None),
        ("1_000", NOW, None),
        ("\u0663", NOW, None),
        ("9" * 400, NOW, None),
    ],
)
def test_retry_after(said, date, seconds) -> None:
    """`Retry-After` is seconds or a date, counted from the answer's own date; what is neither says nothing."""
    headers = {"retry_after": said} | ({"date": date} if date else {})

    assert problem(429, **headers).retry_after == seconds


@given(st.text(st.characters(max_codepoint=255)))
def test_any_retry_after(said) -> None:
    """No header whatever makes a wait that is negative, endless or not a number."""
    seconds = problem(429, retry_after=said, date=NOW).retry_after

    assert seconds is None or 0.0 <= seconds < 1e12


def test_no_bool_for_a_code() -> None:
    """A code that is not a number is ignored."""
    assert problem(400, {"error": {"code": "E7", "message": "?"}}).code is None


REF = CallRef(cluster="cdf.test", project="acme", function_id=12, call_id=34)
STARTED = datetime(2024, 5, 1, 10, 0, 0, tzinfo=UTC)
ENDED = datetime(2024, 5, 1, 10, 0, 2, 500_000, tzinfo=UTC)


def call(status: str, **fields: Any) -> FunctionCall:
    return FunctionCall(id=34, function_id=12, status=CallStatus(status), start_time=STARTED, **fields)


def test_completed_call() -> None:
    """A completed call raises nothing."""
    assert call_error(call("Completed"), REF, "'double'") is None


def test_failed_call() -> None:
    """A failed call says which, after how long, why, and shows the remote traceback under the local one."""
    failed = call("Failed", end_time=ENDED, error=FunctionError(message="boom", trace="Traceback\n  here\n"))
    error = call_error(failed, REF, "'double'")

    assert type(error) is CallFailed
    assert str(error) == "call 34 of function 'double' failed after 2.5 s: boom"
    assert error.__notes__ == ["\nIn the function, call 34 of function 'double':\nTraceback\n  here"]
    assert (error.call, error.ref) == (failed, REF)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        ("Failed", CallFailed, "call 34 of function 12 failed: the service gave no reason"),
        ("Timeout", CallTimedOut, "call 34 of function 12 was stopped at its time limit: the service gave no reason"),
        ("Cancelled", CallFailed, "call 34 of function 12 ended as Cancelled: the service gave no reason"),
    ],
)
def test_other_ends(status, kind, words) -> None:
    """An end that is not completion is an error, also one without reason or end time, or by an unknown status."""
    error = call_error(call(status), REF, "12")

    assert (type(error), str(error)) == (kind, words)

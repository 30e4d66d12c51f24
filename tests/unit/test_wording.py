"""The wording of the messages that users see most, in one file. To write it again: `python tests/unit/test_wording.py`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiocdf import CallRef
from aiocdf._bundle.handler import check_handler
from aiocdf._bundle.requirements import check_requirements
from aiocdf._bundle.source import CodeSource
from aiocdf._environment import Environment
from aiocdf._wire import deployments, endings
from aiocdf._wire.arguments import (
    check_call,
    check_items,
    check_limit,
    check_max_pending,
    check_retry,
    check_text,
    check_timeout,
    secret_fault,
)
from aiocdf._wire.converter import plain_input, structure
from aiocdf._wire.cron import check_cron
from aiocdf._wire.filters import known_status
from aiocdf._wire.function_spec import FunctionSpec
from aiocdf._wire.http import Request, Response, StorageRequest
from aiocdf._wire.identifiers import check_function, check_functions, parse_ref
from aiocdf._wire.json import read_json
from aiocdf._wire.payload import encode
from aiocdf._wire.problems import api_error, call_error
from aiocdf.auth import AuthorizationCode, ClientCredentials
from aiocdf.auth.credentials.from_environment import credentials_from
from aiocdf.auth.oauth.token import refusal
from aiocdf.config import Polling, Retry, Settings, address_of, base_url_of, check_project, check_url
from aiocdf.errors import BadRequest, ConnectError, TransportTimeout
from aiocdf.models import (
    CallStatus,
    Function,
    FunctionCall,
    FunctionError,
    FunctionLimits,
    FunctionStatus,
    KeptSchedule,
    LogEntry,
    Range,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = Path(__file__).with_name("wording.txt")

REQUEST = Request(name="call function 12", method="POST", url="https://cdf.test/x", capability="functionsAcl:RUN")
LOCAL = Request(name="call function 12", method="POST", url="http://127.0.0.1:8080/x")
STORAGE = StorageRequest(name="upload file 7", method="PUT", url="https://storage.test/7")

REF = CallRef(cluster="westeurope-1", project="acme", function_id=12, call_id=34)
START = datetime(2024, 5, 1, 10, tzinfo=UTC)
RUNNING = FunctionCall(id=34, function_id=12, status=CallStatus.Running, start_time=START)
WHICH = "call 34 of function 'double'"

BROKEN = FunctionError(
    message="Build failed", trace="Collecting nope\nERROR: No matching distribution found for nope\n"
)
FAILED = Function(id=12, name="double", status=FunctionStatus.Failed, external_id="double", error=BROKEN)
DEPLOYING = Function(id=13, name="double", status=FunctionStatus.Deploying, external_id="double")

NO_CONNECTION = ConnectError("call function 12: no connection to cdf.test. Check the network.")
NO_ANSWER = TransportTimeout("call function 12: no answer within 60 s.")
REJECTED = BadRequest("call function 12: the service answered 400: Not ready. Correct the request.", status=400)

PROJECT = {"CDF_PROJECT": "acme", "CDF_CLUSTER": "westeurope-1"}
CLIENT = {"token_url": "https://idp.test/token", "client_id": "app", "client_secret": "x"}
LIMITS = FunctionLimits(cpu_cores=Range(min=0.1, max=3, default=1), runtimes=("py311", "py312"))


def answer(status: int, body: Any = b"", request: Request = REQUEST, **headers: str) -> Exception:
    return api_error(request, response(status, body, **headers))


def response(status: int, body: Any = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps({"error": {"code": status, **body}}).encode()
    return Response(status=status, headers=named, body=content, sent_at=0.0, received_at=0.0)


def ended(status: str, error: FunctionError | None = None) -> Exception | None:
    end = START + timedelta(seconds=2.5)
    call = FunctionCall(id=34, function_id=12, status=CallStatus(status), start_time=START, end_time=end, error=error)
    return call_error(call, REF, "'double'")


def itself() -> dict[str, Any]:
    data: dict[str, Any] = {"a": []}
    data["a"].append(data)
    return data


def credentials(**variables: str) -> object:
    return credentials_from(Environment.read(PROJECT | variables))


ARGUMENTS: dict[str, Callable[[], object]] = {
    "timeout is not a number": lambda: check_timeout("5"),
    "timeout is zero": lambda: check_timeout(0),
    "retry is a number of attempts": lambda: check_retry(3, None),
    "nonce together with retry": lambda: check_retry(Retry(), "nonce"),
    "nonce is not text": lambda: secret_fault(7, "nonce"),
    "max_pending is zero": lambda: check_max_pending(0),
    "limit is not a whole number": lambda: check_limit(1.5),
    "name is empty": lambda: check_text("", "name", longest=140),
    "map over one item": lambda: check_items({"x": 1}),
    "function id is zero": lambda: check_function(0),
    "function is a number with decimals": lambda: check_function(1.5),  # type: ignore[arg-type]
    "external id is empty": lambda: check_function(""),
    "functions are not iterable": lambda: check_functions(1.5),  # type: ignore[arg-type]
    "token of a call is not one": lambda: parse_ref("12:34"),
    "attach with a reference and an id": lambda: check_call(REF, 34, cluster="westeurope-1", project="acme"),
    "attach with a function only": lambda: check_call(12, None, cluster="westeurope-1", project="acme"),
    "attach in another project": lambda: check_call(REF, None, cluster="westeurope-1", project="other"),
    "input does not fit its type": lambda: plain_input({"x": "one"}, dict[str, int], what="function 'double'"),
    "unknown status": lambda: known_status("Done", CallStatus),
    "cron with four fields": lambda: check_cron("* * * *"),
}

DATA: dict[str, Callable[[], object]] = {
    "data is a list": lambda: encode([1], limit=None),
    "data has a set": lambda: encode({"a": [{"b": {1}}]}, limit=None),
    "data has a number as a key": lambda: encode({"a": {1: "x"}}, limit=None),
    "data has a number that is not finite": lambda: encode({"a": float("nan")}, limit=None),
    "data contains itself": lambda: encode(itself(), limit=None),
    "data is not Unicode": lambda: encode({"a": "\ud800"}, limit=None),
    "data has a huge number": lambda: encode({"a": 10**5000}, limit=None),
    "data is too large": lambda: encode({"a": "x" * 40_000}, limit=36_000),
}

SETTINGS: dict[str, Callable[[], object]] = {
    "project is not valid": lambda: check_project("a/b"),
    "cluster is a URL": lambda: base_url_of("https://westeurope-1.cognitedata.com"),
    "neither base_url nor cluster": lambda: address_of(None, None),
    "base_url is not absolute": lambda: check_url("cognitedata.com", what="base_url"),
    "base_url is plain http": lambda: check_url("http://cdf.test", what="base_url"),
    "base_url has a user name": lambda: check_url("https://me@cdf.test", what="base_url"),
    "base_url has a placeholder": lambda: check_url("https://{cluster}.cognitedata.com", what="base_url"),
    "base_url has a query": lambda: check_url("https://cdf.test?a=1", what="base_url"),
    "setting is zero": lambda: Polling(floor=0),
    "setting is not a whole number": lambda: Settings(function_limit=1.5),  # type: ignore[arg-type]
    "setting has an unknown value": lambda: Settings(session_grant="password"),  # type: ignore[arg-type]
    "setting has the wrong type": lambda: Settings(polling=1.0),  # type: ignore[arg-type]
    "retry after an unknown end": lambda: Retry(on="Lost"),
    "app is not ASCII": lambda: Settings(app="Mød"),
    "no environment variables": lambda: Environment.read({}),
    "no client secret in the environment": lambda: credentials(IDP_TENANT_ID="t", IDP_CLIENT_ID="app"),
    "unknown LOGIN_FLOW": lambda: credentials(LOGIN_FLOW="password"),
    "secret for an address from a file": lambda: Environment.read(
        {"CDF_PROJECT": "acme", "CDF_TOKEN": "x"}, file={"CDF_URL": "https://cdf.test"}
    ),
}

SIGN_IN: dict[str, Callable[[], object]] = {
    "client_id is empty": lambda: ClientCredentials(**CLIENT | {"client_id": ""}),
    "client_secret is empty": lambda: ClientCredentials(**CLIENT | {"client_secret": ""}),
    "auth_method is unknown": lambda: ClientCredentials(**CLIENT, auth_method="post"),  # type: ignore[arg-type]
    "extra replaces an argument": lambda: ClientCredentials(**CLIENT, extra={"scope": "x"}),
    "neither issuer nor addresses": lambda: AuthorizationCode(client_id="app", redirect_uri="http://localhost:53000"),
    "client secret rejected": lambda: refusal(401, {"error": "invalid_client"}, "no access token (POST /token)"),
    "scope rejected": lambda: refusal(400, {"error": "invalid_scope"}, "no access token (POST /token)"),
    "identity provider overloaded": lambda: refusal(429, {}, "no access token (POST /token)"),
    "identity provider fails": lambda: refusal(503, {}, "no access token (POST /token)", came="an HTML page"),
}

ANSWERS: dict[str, Callable[[], object]] = {
    "400": lambda: answer(400, {"message": "data is too large."}),
    "401": lambda: answer(401, {"message": "Unauthorized"}),
    "401 of a local server": lambda: answer(401, {"message": "Unauthorized"}, LOCAL),
    "403": lambda: answer(403, {"message": "Forbidden"}),
    "403 of the storage": lambda: answer(403, b"expired", STORAGE),
    "404 with missing ids": lambda: answer(404, {"message": "Not found", "missing": [{"externalId": "nope"}]}),
    "409": lambda: answer(409, {"message": "Conflict", "duplicated": [{"externalId": "double"}]}),
    "429": lambda: answer(429, {"message": "Too many concurrent calls"}),
    "500 with a request id": lambda: answer(500, {"message": "Internal error"}, x_request_id="r-1"),
    "503 without a body": lambda: answer(503),
    "502 with an HTML page": lambda: answer(502, b"<html></html>", content_type="text/html"),
    "302": lambda: answer(302, location="https://login.test/?next=1"),
    "HTML page with status 200": lambda: read_json(REQUEST, response(200, b"<html></html>", content_type="text/html")),
    "field of the wrong type": lambda: structure({"message": 7}, LogEntry, what="read the logs", path="$.items[0]"),
}

CALLS: dict[str, Callable[[], object]] = {
    "call failed": lambda: ended(
        "Failed", FunctionError(message="ValueError: x", trace="Traceback\n  ...\nValueError: x")
    ),
    "call stopped at its time limit": lambda: ended("Timeout"),
    "call with an unknown status": lambda: ended("Cancelled"),
    "client closed": lambda: endings.closed(WHICH, "the client was closed", "It continues on the service."),
    "timeout passed": lambda: endings.expired(WHICH, 5.0, RUNNING, REF),
    "call lost": lambda: endings.lost(WHICH, "its end was not seen", known=True, call=RUNNING, ref=REF),
    "call unknown": lambda: endings.lost(WHICH, "the service does not know it", known=False, call=None, ref=REF),
    "call of a function that is not ready": lambda: endings.not_ready("'double'", FAILED, REJECTED),
    "start uncertain": lambda: endings.uncertain(WHICH, 1, NO_ANSWER, repeatable=False),
    "start uncertain with candidates": lambda: endings.uncertain(
        WHICH, 3, NO_ANSWER, repeatable=True, candidates=[RUNNING], why="two calls match"
    ),
    "call not started": lambda: endings.not_started(WHICH, NO_CONNECTION),
    "patience is over": lambda: endings.waited_out(f"{WHICH} was not started", 600, NO_CONNECTION),
    "bug": lambda: endings.bug(KeyError("x")),
}

FUNCTIONS: dict[str, Callable[[], object]] = {
    "name of an environment variable": lambda: FunctionSpec(name="double", env_vars={"a b": "1"}),
    "key of a secret": lambda: FunctionSpec(name="double", secrets={"API_KEY": "x"}),  # type: ignore[dict-item]
    "cpu is negative": lambda: FunctionSpec(name="double", cpu=-1),
    "cpu above the limit": lambda: FunctionSpec(name="double", cpu=8).check_limits(LIMITS),
    "runtime unavailable": lambda: FunctionSpec(name="double", runtime="py39").check_limits(LIMITS),
    "no code": CodeSource,
    "requirements with a folder": lambda: CodeSource(folder="double", requirements=["numpy"]),
    "requirements are one string": lambda: check_requirements("numpy"),
    "module is not Python": lambda: check_handler(b"def handle(data) return 1", "handler.py"),
    "no handle": lambda: check_handler(b"x = 1", "handler.py"),
    "handle is async": lambda: check_handler(b"async def handle(data): ...", "handler.py"),
    "handle has an unknown argument": lambda: check_handler(b"def handle(data, clients): ...", "handler.py"),
    "deployment failed": lambda: deployments.failed("double", FAILED),
    "deployment takes long": lambda: deployments.late("double", DEPLOYING, 300),
    "replacement failed": lambda: deployments.not_replaced(
        FAILED, None, [KeptSchedule(name="hourly", cron="0 * * * *")], NO_CONNECTION
    ),
    "schedules not created again": lambda: deployments.not_replaced(
        FAILED, DEPLOYING, [KeptSchedule(name="hourly", cron="0 * * * *")], NO_CONNECTION
    ),
}

SECTIONS = {
    "Arguments": ARGUMENTS,
    "Data of calls": DATA,
    "Settings and environment": SETTINGS,
    "Sign-in": SIGN_IN,
    "Answers of the service": ANSWERS,
    "Calls": CALLS,
    "Functions": FUNCTIONS,
}


def test_wording() -> None:
    """The messages are as in the snapshot; a change of wording changes that file only."""
    assert written() == SNAPSHOT.read_text(encoding="utf-8"), (
        "run `python tests/unit/test_wording.py`, and read the diff"
    )


def written() -> str:
    """Return the messages by section and situation."""
    sections = (f"# {title}\n\n{listed(situations)}" for title, situations in SECTIONS.items())
    return "\n".join(sections)


def listed(situations: dict[str, Callable[[], object]]) -> str:
    return "\n".join(f"{name}\n{indented(message(cause))}" for name, cause in situations.items())


def message(cause: Callable[[], object]) -> str:
    """Return the type, the text and the notes of the exception that *cause* raises or returns."""
    try:
        found = cause()
    except Exception as error:  # noqa: BLE001 - every message is wanted
        found = error
    assert isinstance(found, Exception)
    return "\n".join([f"{type(found).__name__}: {found}", *getattr(found, "__notes__", ())])


def indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


if __name__ == "__main__":
    SNAPSHOT.write_text(written(), encoding="utf-8")

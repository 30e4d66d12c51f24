"""A real server on a real socket, used without the client. Each response is checked against the OpenAPI document."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import attrs
import pytest
import pytest_asyncio
import requests

from aiocdf.local import Limits, LocalServer, OAuthClient, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

FACTS = json.loads((Path(__file__).parents[1] / "unit" / "_wire" / "contract_facts.json").read_text())
OPERATIONS = FACTS["operations"] | FACTS["served"]

FUNCTIONS = {
    "double": 'def handle(data):\n    return {"value": 2 * data["x"]}\n',
    "echo": "def handle(data):\n    return data\n",
    "nothing": "def handle():\n    pass\n",
    "boom": "def handle(data):\n    return 1 / 0\n",
    "noisy": 'def handle(data):\n    for n in range(3):\n        print("line", n)\n',
    "big": 'def handle(data):\n    return "x" * data["size"]\n',
    # It runs until the test makes the file, and says first that it runs.
    "gate": (
        "import pathlib, time\n"
        "def handle(data):\n"
        '    print("waiting", flush=True)\n'
        '    while not pathlib.Path(data["path"]).exists():\n'
        "        time.sleep(0.005)\n"
        '    return "open"\n'
    ),
    "stuck": "import time\ndef handle():\n    time.sleep(60)\n",
    "broken": "def handle(:\n",
}
SETTINGS = {
    "double": (
        'id = 1\nname = "Double it"\ndescription = "Twice x"\nowner = "someone@example.com"\n'
        'metadata = {team = "blue"}\nsecrets = {api-key = "hush"}\nenv_vars = {MODE = "test"}\n'
    ),
    "stuck": "timeout = 0.2\n",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the tests of a module share an event loop: the server that they share runs on it."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of functions."""
    return _write_functions(tmp_path / "functions")


def _write_functions(folder: Path) -> Path:
    for name, code in FUNCTIONS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "handler.py").write_text(code)
    for name, settings in SETTINGS.items():
        (folder / name / "function.toml").write_text(settings)
    return folder


@asynccontextmanager
async def _serve(root: Path) -> AsyncIterator[LocalServer]:
    """Serve functions, after all builds have ended, even on a busy machine."""
    limits = Limits(calls_per_function=3, calls_per_project=4, data_bytes=2_000, response_bytes=1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aiocdf.local.server._BUILD_PATIENCE", 50.0)
        async with serve(root, limits=limits) as server:
            yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalServer]:
    """The server of the tests of a module that do not change it."""
    async with _serve(_write_functions(tmp_path_factory.mktemp("shared") / "functions")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def own_server(root: Path) -> AsyncIterator[LocalServer]:
    """The server of one test."""
    async with _serve(root) as server:
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> LocalServer:
    """A server with limits small enough to be reached, which the tests of a module share unless marked `own_server`."""
    own = request.node.get_closest_marker("own_server") or "root" in request.fixturenames
    return request.getfixturevalue("own_server" if own else "shared_server")


@attrs.frozen
class Answer:
    """A response."""

    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> Any:
        return self.body["error"]


@attrs.define
class Api:
    """An HTTP client with a token."""

    server: LocalServer
    session: aiohttp.ClientSession
    token: str = ""
    #: Answers have the documented shape.
    as_documented: bool = True

    async def sign_in(self, client_id: str | None = None, client_secret: str | None = None) -> Api:
        known = self.server.environment()
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id or known["IDP_CLIENT_ID"],
            "client_secret": client_secret or known["IDP_CLIENT_SECRET"],
        }
        async with self.session.post(known["IDP_TOKEN_URL"], data=form) as response:
            self.token = (await response.json())["access_token"]
        return self

    async def as_client(self, *capabilities: str) -> Api:
        """Another HTTP client with only these capabilities."""
        client = OAuthClient(client_id=f"may {capabilities}", capabilities=frozenset(capabilities))
        self.server.add_client(client)
        other = Api(self.server, self.session)
        return await other.sign_in(client.client_id, client.client_secret.reveal())

    async def send(self, method: str, path: str, *, project: str | None = None, **options: Any) -> Answer:
        url = f"{self.server.url}/api/v1/projects/{project or self.server.project}{path}"
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        async with self.session.request(method, url, headers=headers, **options) as response:
            answer = Answer(response.status, await response.json(), response.headers)
        if self.as_documented:
            _check(method, path.partition("?")[0], answer)
        return answer

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.send("POST", path, **({"json": body} | options))

    async def nonce(self) -> str:
        """The nonce of a new session."""
        answer = await self.post("/sessions", {"items": [{"tokenExchange": True}]})
        return answer.body["items"][0]["nonce"]

    async def function_id(self, external_id: str) -> int:
        answer = await self.post("/functions/byids", {"items": [{"externalId": external_id}]})
        return answer.body["items"][0]["id"]

    async def start(self, external_id: str, **data: Any) -> Answer:
        """The response to a call with a new nonce."""
        function_id = await self.function_id(external_id)
        return await self.post(f"/functions/{function_id}/call", {"nonce": await self.nonce(), "data": data})

    async def run(self, external_id: str, **data: Any) -> Any:
        """An ended call."""
        started = await self.start(external_id, **data)
        assert started.status == 201, started.body
        return await self.ended(started.body)

    async def ended(self, call: Any) -> Any:
        while call["status"] == "Running":
            await asyncio.sleep(0.005)
            call = (await self.get(f"/functions/{call['functionId']}/calls/{call['id']}")).body
        return call


@pytest.fixture(scope="session")
def documented() -> set[str]:
    """The operations on functions, calls and sessions that the service documents, such as `get /functions`."""
    return set(FACTS["documented"])


@pytest_asyncio.fixture(loop_scope="module")
async def connect() -> AsyncIterator[Callable[[LocalServer], Awaitable[Api]]]:
    """Connects to a server with all capabilities."""
    async with aiohttp.ClientSession() as session:
        yield lambda server: Api(server, session).sign_in()


@pytest_asyncio.fixture(loop_scope="module")
async def api(server: LocalServer, connect: Callable[[LocalServer], Awaitable[Api]]) -> Api:
    """An HTTP client with all capabilities."""
    return await connect(server)


@attrs.frozen
class Page:
    """A response to a browser."""

    status: int
    text: str
    headers: Any

    @property
    def returned(self) -> dict[str, str]:
        """The parameters that a redirect takes to the program."""
        assert self.status == 303, self.text
        return dict(parse_qsl(urlsplit(self.headers["Location"]).query))


@attrs.define
class App:
    """A program in which users sign in, and the user's browser. Both use plain HTTP."""

    server: LocalServer
    session: aiohttp.ClientSession
    client_id: str = "aiocdf"
    redirect_uri: str = "http://127.0.0.1:54321/callback"
    verifier: str = "v-._~" * 10

    def ask(self, **changes: str | None) -> str:
        """The URL that the program opens in the browser."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": f"{self.server.url}/.default offline_access",
            "state": "s t&te",
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        } | changes
        query = {name: value for name, value in query.items() if value is not None}
        return f"{self.server.url}/oauth2/authorize?{urlencode(query)}"

    async def browse(self, method: str, url: str, **options: Any) -> Page:
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return Page(response.status, await response.text(), response.headers)

    async def submit(self, url: str, **options: Any) -> Page:
        """Fill in a sign-in page as the first user and send it."""
        user = self.server.users[0]
        answer = {"user": user.name, "password": user.password.reveal(), "decision": "allow"} | options.pop("form", {})
        return await self.browse("POST", url, data=answer, **options)

    async def code(self, **changes: str) -> str:
        return (await self.submit(self.ask(**changes))).returned["code"]

    async def post(self, path: str, **form: str | None) -> Answer:
        """A request of the program. Parameters of None are left out."""
        data = {name: value for name, value in ({"client_id": self.client_id} | form).items() if value is not None}
        async with self.session.post(self.server.url + path, data=data) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else None, response.headers)

    async def exchange(self, code: str, /, **changes: str | None) -> Answer:
        form = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": self.verifier} | changes
        return await self.post("/oauth2/token", **({"grant_type": "authorization_code"} | form))

    async def sign_in(self, **changes: str) -> Any:
        """The tokens of a user who signed in."""
        answer = await self.exchange(await self.code(**changes))
        assert answer.status == 200, answer.body
        return answer.body

    async def refresh(self, refresh_token: str, **changes: str | None) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes
        return await self.post("/oauth2/token", **form)

    async def opens(self, access_token: str) -> int:
        """The status of an API request with a token."""
        url = f"{self.server.url}/api/v1/projects/local/functions"
        page = await self.browse("GET", url, headers={"Authorization": f"Bearer {access_token}"})
        return page.status


@pytest_asyncio.fixture(loop_scope="module")
async def run_app() -> AsyncIterator[Callable[..., App]]:
    """Starts programs in which users sign in at a server."""
    async with aiohttp.ClientSession() as session:
        yield lambda server, **settings: App(server, session, **settings)


@pytest.fixture
def app(server: LocalServer, run_app: Callable[..., App]) -> App:
    """A program in which users sign in."""
    return run_app(server)


def _check(method: str, path: str, answer: Answer) -> None:
    """Fail if a response differs from the service's document."""
    assert answer.headers["x-request-id"]
    operation = _operation(method, path)
    if answer.status >= 400:
        assert _mistakes(FACTS["error"], answer.body["error"], "error") == []
        return
    assert operation is not None, f"{method} {path} is not documented"
    assert answer.status == operation["status"], f"{method} {path} answers {answer.status}"
    assert _mistakes(operation["response"], answer.body, path) == []


def _operation(method: str, path: str) -> Any:
    """The operation of a path. Constant segments take precedence over parameters."""
    segments = path.split("/")
    candidates = []
    for name in OPERATIONS:
        verb, _, template = name.partition(" ")
        places = template.split("/")
        if (verb, len(places)) == (method.lower(), len(segments)) and all(
            place == segment or place.startswith("{") for place, segment in zip(places, segments, strict=True)
        ):
            candidates.append((template.count("{"), name))
    return OPERATIONS[min(candidates)[1]] if candidates else None


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def _mistakes(schema: Any, value: Any, where: str) -> list[str]:
    """The problems of a value, by its schema."""
    # The response of a call is documented as an object, and is any JSON. The id of a session is documented as a string
    # here and as a number there, and is a number.
    if where.endswith(("/response.response", ".sessionId")):
        return []
    if "type" in schema and not _is_of_type(schema["type"], value):
        return [f"{where} is {value!r}, not {schema['type']}"]
    found = [f"{where} is {value!r}: {rule}" for rule in _broken_rules(schema, value)]
    parts: list[tuple[Any, Any, str]] = []
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        # The document requires a `code` in the error of a call, which it does not define, and members of requests only.
        required = [
            name
            for name in schema.get("required", ())
            if not properties.get(name, {"writeOnly": True}).get("writeOnly")
        ]
        found += [f"{where}.{name} is absent" for name in required if name not in value]
        parts = [(properties[name], value[name], f"{where}.{name}") for name in properties if name in value]
    elif isinstance(value, list):
        parts = [(schema.get("items", {}), item, f"{where}[]") for item in value]
    return found + [mistake for part in parts for mistake in _mistakes(*part)]


def _is_of_type(kinds: str | list[str], value: Any) -> bool:
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return any(value is None if kind == "null" else isinstance(value, TYPES[kind]) for kind in kinds)


def _broken_rules(schema: Any, value: Any) -> list[str]:
    number, length = value if isinstance(value, int) else 0, len(value) if isinstance(value, str) else 0
    rules = {
        "not one of the enum": value in schema.get("enum", [value]),
        "out of range": schema.get("minimum", number) <= number <= schema.get("maximum", number),
        "too long": length <= schema.get("maxLength", length),
    }
    return [rule for rule, holds in rules.items() if not holds]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server on a loop in a thread, as address and token: schemathesis blocks while it waits."""
    root = tmp_path_factory.mktemp("functions")
    (root / "echo").mkdir()
    (root / "echo" / "handler.py").write_text("def handle(data):\n    return data\n")
    started = Future()

    async def run():
        stop = asyncio.Event()
        async with serve(root) as server:
            started.set_result((server.url, server.environment(), asyncio.get_running_loop(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, run())
        url, environment, loop, stop = started.result(timeout=20)
        try:
            form = {
                "grant_type": "client_credentials",
                "client_id": environment["IDP_CLIENT_ID"],
                "client_secret": environment["IDP_CLIENT_SECRET"],
            }
            yield url, requests.post(environment["IDP_TOKEN_URL"], data=form, timeout=10).json()["access_token"]
        finally:
            loop.call_soon_threadsafe(stop.set)
            serving.result(timeout=20)

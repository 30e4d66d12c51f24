"""The server as a whole: start, stop, and the common properties of responses."""

from __future__ import annotations

import asyncio
import logging
import re
import socket

import aiohttp
import pytest

from aiocdf.errors import ConfigError, InvalidArgument, WrongState
from aiocdf.local import OAuthClient, serve
from aiocdf.local.state.store import Store, open_store


async def test_environment(root):
    """The environment has all that clients need, and nothing else has the secret."""
    async with serve(root, project="mine") as server:
        environment = server.environment()
        assert environment == {
            "CDF_URL": server.url,
            "CDF_PROJECT": "mine",
            "LOGIN_FLOW": "client_credentials",
            "IDP_TOKEN_URL": f"{server.url}/oauth2/token",
            "IDP_CLIENT_ID": "local",
            "IDP_CLIENT_SECRET": environment["IDP_CLIENT_SECRET"],
            "IDP_SCOPES": f"{server.url}/.default",
        }
        assert server.url.startswith("http://127.0.0.1:")
        assert environment["IDP_CLIENT_SECRET"] not in repr(server)


async def test_given_clients(root, connect):
    """Given clients replace the default ones, and the environment uses the first."""
    clients = [OAuthClient(client_id="a", client_secret="s", capabilities={"functionsAcl:READ"})]
    async with serve(root, clients=clients) as server:
        assert ("a", "s") == (server.environment()["IDP_CLIENT_ID"], server.environment()["IDP_CLIENT_SECRET"])
        api = await connect(server)
        assert 403 == (await api.post("/sessions", {})).status


async def test_functions(root, connect):
    """A server returns the functions of its API without reading the folder again."""
    server = serve(root)
    with pytest.raises(WrongState, match="before it is started"):
        server.functions()
    async with server:
        seen = {function.id: function.deployment.external_id for function in server.functions()}
        (root / "later").mkdir()
        (root / "later" / "handler.py").write_text("def handle(): pass")
        assert "later" not in {function.deployment.external_id for function in server.functions()}
        listed = (await (await connect(server)).get("/functions")).body["items"]
        assert seen.items() < {item["id"]: item["externalId"] for item in listed}.items()
        assert "later" in {function.deployment.external_id for function in server.functions()}


async def test_missing_folder(tmp_path):
    """A missing folder is rejected by name."""
    with pytest.raises(InvalidArgument, match="nowhere"):
        await serve(tmp_path / "nowhere").start()


async def test_file_instead_of_folder(tmp_path):
    """A file instead of a folder is rejected."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match="file"):
        await serve(tmp_path / "file").start()


async def test_no_functions(tmp_path):
    """A folder without functions is rejected, and the error says what a function is."""
    with pytest.raises(InvalidArgument, match=r"handler\.py"):
        await serve(tmp_path).start()


@pytest.mark.parametrize("port", [99_999, -1, "8080", None])
async def test_no_port(root, port):
    """A port that is not valid is rejected."""
    with pytest.raises(InvalidArgument, match=f"^port must be a number from 0 to 65535, not {port!r}$"):
        await serve(root, port=port).start()


@pytest.mark.parametrize(
    ("given", "error", "problem"),
    [
        ({"project": "a b"}, ConfigError, "^project is not a project name"),
        ({"error_shape": "x"}, InvalidArgument, "^error_shape must be one of object, string, not 'x'$"),
        ({"limits": {"log_bytes": 5}}, ConfigError, "^setting limits must be a Limits, not "),
    ],
)
def test_settings_that_are_not_valid(root, given, error, problem):
    """An argument that is not valid is rejected immediately, not at the first request."""
    with pytest.raises(error, match=problem):
        serve(root, **given)


async def test_port_in_use(root):
    """A port in use is rejected with its number, and no socket is left open."""
    async with serve(root) as server:
        taken = int(server.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f" port {taken} "):
            await serve(root, port=taken).start()


async def test_host_of_another_machine(root):
    """An address of another machine is rejected, and the error does not name ports."""
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 "):
        await serve(root, host="192.0.2.1", open_to_others=True).start()


async def test_before_start(root):
    """A server has no URL before it is started."""
    server = serve(root)
    with pytest.raises(WrongState, match="started"):
        server.environment()


async def test_started_once(root):
    """A server is started only once."""
    async with serve(root) as server:
        with pytest.raises(WrongState):
            await server.start()
    with pytest.raises(WrongState):
        await server.start()


async def test_close_twice(root):
    """Closing is idempotent, also before the start."""
    server = serve(root)
    await server.aclose()
    await server.start()
    await server.aclose()
    await server.aclose()
    with socket.socket() as probe:
        assert 0 != probe.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2])))


async def test_close_with_running_calls(root, connect, tmp_path):
    """Closing ends running calls immediately as Failed."""
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        call = (await api.start("gate", path=str(tmp_path / "never"))).body
        async with asyncio.timeout(10):
            await server.aclose()
    async with open_store(tmp_path / "state") as store:
        (ended,) = await store.calls(call["functionId"], [call["id"]])
    assert ("Failed", "the local server was stopped") == (ended.status, ended.message)


async def test_close_while_a_call_starts(root, connect, tmp_path, monkeypatch, caplog):
    """A call that was accepted when the server started to close ends like a running one."""
    begun, add_call = asyncio.Event(), Store.add_call

    async def slow(store, call):
        await add_call(store, call)
        begun.set()
        await asyncio.sleep(0.1)

    monkeypatch.setattr(Store, "add_call", slow)
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        starting = asyncio.create_task(api.start("stuck"))
        await begun.wait()
        await server.aclose()
    call = (await starting).body
    async with open_store(tmp_path / "state") as store:
        (ended,) = await store.calls(call["functionId"], [call["id"]])
    assert ("Failed", "the local server was stopped") == (ended.status, ended.message)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_two_servers(root, connect):
    """Two servers in one loop share no state."""
    async with serve(root) as one, serve(root) as two:
        first, second = await connect(one), await connect(two)
        second.token = first.token
        assert 401 == (await second.get("/functions")).status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/functions/1/call", 405), ("PUT", "/functions", 405)],
)
async def test_unknown_route(api, method, path, status):
    """An unknown path gets an error in the common format."""
    answer = await api.send(method, path)
    assert (status, status) == (answer.status, answer.error["code"])


async def test_documented_operations(api, documented):
    """Every documented operation on functions, calls, schedules and sessions is served."""
    assert len(documented) > 25
    for name in documented:
        method, _, path = name.partition(" ")
        answer = await api.send(method.upper(), re.sub(r"\{\w+\}", "1", path))
        assert answer.status not in {404, 405}, name


async def test_request_ids(api):
    """Every response has its own request id."""
    answers = [await api.get(path) for path in ("/functions", "/functions", "/nothing")]
    assert 3 == len({answer.headers["x-request-id"] for answer in answers})


async def test_crash(api, monkeypatch, caplog):
    """A bug in a handler returns 500 in the common format, and is logged with the request id."""

    async def broken(_):
        raise RuntimeError("bug")

    monkeypatch.setattr("aiocdf.local.state.store.Store.last_called", broken)
    with caplog.at_level(logging.ERROR, "aiocdf.local"):
        answer = await api.get("/functions")
    assert {"error": {"code": 500, "message": "Internal server error"}} == answer.body
    assert answer.headers["x-request-id"] in caplog.text
    assert "bug" in caplog.text


async def test_no_secrets_on_disk(root, connect, tmp_path):
    """Tokens, nonces and client secrets are not in the server's files."""
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        nonce, used = await api.nonce(), await api.nonce()
        await api.post("/functions/1/call", {"nonce": used, "data": {"x": 1}})
        await api.run("double", x=1)
        secrets = [nonce, used, api.token, server.environment()["IDP_CLIENT_SECRET"]]
    written = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert b"Completed" in written
    assert not [secret for secret in secrets if secret.encode() in written]


async def test_no_secrets_in_logs(api, caplog):
    """Tokens, nonces and client secrets are not logged, for any error."""
    nonce = await api.nonce()
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            answer = await api.post("/functions/1/call", {"nonce": nonce, "data": {"x": 1}})
        assert 400 == answer.status
        await api.run("boom")
    written = caplog.text
    assert not [
        secret for secret in (nonce, api.token, api.server.environment()["IDP_CLIENT_SECRET"]) if secret in written
    ]


async def test_ipv6(root):
    """A server can listen on ::1, and its URL has brackets."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")
    async with serve(root, host="::1") as server, aiohttp.ClientSession() as session:
        assert server.url.startswith("http://[::1]:")
        async with session.get(server.url + "/nothing") as response:
            assert 404 == response.status


async def test_all_interfaces(root):
    """A server that listens on all addresses has a loopback URL for clients on this machine."""
    async with serve(root, host="0.0.0.0", open_to_others=True) as server:
        assert server.url.startswith("http://127.0.0.1:")


async def test_log_of_refused_requests(server, api, caplog):
    """Each rejected request is one log line with method, path, status and reason, without secrets."""
    reader = await api.as_client("functionsAcl:READ")
    caplog.clear()
    unknown = await api.post("/functions/999/call", {"nonce": "n"})
    refused = await reader.post("/functions/999/call", {"nonce": "n"})
    broken = await api.start("broken")
    api.token = "wrong-token"
    unauthorized = await api.get("/functions")

    lines = [line for line in caplog.messages if line.startswith("rejected ")]
    assert [answer.status for answer in (unknown, refused, broken, unauthorized)] == [400, 403, 400, 401]
    assert len(lines) == 4
    assert lines[0].startswith("rejected POST /api/v1/projects/local/functions/999/call: 400 ")
    assert "functionsAcl:RUN" in lines[1]
    assert "handler.py" in lines[2]
    assert lines[3].endswith("/functions: 401 Unauthorized")
    assert "wrong-token" not in caplog.text


async def test_log_lines_stay_single(server, api, caplog):
    """A path with encoded line ends and control characters stays in one log line."""
    await api.session.get(server.url + "/a%0Aforged%1B%5B2J", allow_redirects=False)
    (line,) = [line for line in caplog.messages if line.startswith("rejected ")]
    assert line.isprintable()


async def test_log_of_refused_secrets(server, app, caplog):
    """A wrong client secret is logged without its value. Polls of a waiting device are not logged."""
    answer = await app.post("/oauth2/token", grant_type="client_credentials", client_id="local", client_secret="oh-no")
    assert (answer.status, caplog.messages[-1].partition(":")[0]) == (401, "rejected POST /oauth2/token")
    assert "oh-no" not in caplog.text
    device = (await app.post("/oauth2/device_authorization")).body
    caplog.clear()
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    assert (await app.post("/oauth2/token", grant_type=grant, device_code=device["device_code"])).status == 400
    assert caplog.messages == []

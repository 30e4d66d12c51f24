"""A client and a local server over real sockets: what users meet when all is well, and when it is not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from aiohttp import web

from aiocdf import (
    BearerToken,
    CallFailed,
    CallLost,
    Client,
    ClientCredentials,
    ConnectError,
    DecodeError,
    NotFound,
    OAuthError,
    PermissionDenied,
    SecretInDataWarning,
    Settings,
    Unauthorized,
)
from aiocdf.local import OAuthClient, serve

FUNCTIONS = {
    "double": "def handle(data):\n    return 2 * data['x']\n",
    "square": "def handle(data):\n    return data['x'] ** 2\n",
    "negate": "def handle(data):\n    return -data['x']\n",
    "fails": "def handle(data):\n    raise ValueError(f'no {data[\"x\"]}')\n",
    "sleep": "import time\ndef handle(data):\n    time.sleep(data['seconds'])\n    return data\n",
}


@pytest.fixture
def root(tmp_path):
    """A folder of functions."""
    for name, code in FUNCTIONS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "handler.py").write_text(code)
    return tmp_path


@pytest.fixture
async def server(root):
    """A server of these functions."""
    async with serve(root) as server:
        yield server


@pytest.fixture
async def reports():
    """Fails a test of which the loop's exception handler has heard."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield
    assert told == []


def credentials(server, **changes):
    known = server.environment()
    given = {"client_id": known["IDP_CLIENT_ID"], "client_secret": known["IDP_CLIENT_SECRET"]}
    return ClientCredentials(token_url=known["IDP_TOKEN_URL"], **(given | changes))


class TestGoodDays:
    async def test_gather_over_functions(self, server, reports):
        """300 calls over three functions come back complete and in order."""
        expected = {"double": lambda x: 2 * x, "square": lambda x: x**2, "negate": lambda x: -x}
        names = list(expected) * 100
        async with server.client() as client:
            handles = [client.call(name, {"x": x}) for x, name in enumerate(names)]
            values = await asyncio.gather(*(handle.response() for handle in handles))
            assert values == [expected[name](x) for x, name in enumerate(names)]
            assert len({handle.call_id for handle in handles}) == 300
            assert client.stats().throttled == 0

    async def test_from_env(self, server, monkeypatch):
        """The environment that a server tells its users to set is all that `from_env` takes."""
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        async with Client.from_env() as client:
            assert await client.call("double", {"x": 4}).response() == 8

    async def test_failure_shows_the_remote_traceback(self, server):
        """A failed call raises here with the traceback from there."""
        async with server.client() as client:
            with pytest.raises(CallFailed, match="no 5") as caught:
                await client.call("fails", {"x": 5})
        assert "handler.py" in "".join(caught.value.__notes__)

    async def test_attach_from_another_client(self, server):
        """A call's token leads another client to it."""
        async with server.client() as client:
            handle = client.call("sleep", {"seconds": 0.5})
            await handle.submitted()
            token = handle.ref.token
        async with server.client() as client:
            assert await client.attach(token).response() == {"seconds": 0.5}

    async def test_secret_in_data(self, server):
        """A line that sends what looks like a secret is warned of once."""
        async with server.client() as client:
            with pytest.warns(SecretInDataWarning, match=r"\$\.password") as caught:
                handles = [client.call("double", {"x": x, "password": "hunter2"}) for x in range(3)]
            assert [warning.filename for warning in caught] == [__file__]
            await asyncio.gather(*handles)


class TestBadDays:
    async def test_wrong_project(self, server, reports):
        """A project that is not there is refused, and the message says what to check."""
        async with server.client(project="elsewhere") as client:
            with pytest.raises(Unauthorized, match="Check the project's name"):
                await client.call("double", {"x": 1})

    async def test_wrong_secret(self, server, reports):
        """A wrong secret is the identity provider's error, which does not quote it."""
        async with server.client(credentials=credentials(server, client_secret="wr0ng")) as client:
            handles = [client.call("double", {"x": x}) for x in range(50)]
            for error in await asyncio.gather(*handles, return_exceptions=True):
                assert isinstance(error, OAuthError)
                assert error.error == "invalid_client"
                assert "wr0ng" not in str(error)

    async def test_unknown_function(self, server, reports):
        """A function that is not there is named, by whichever id."""
        async with server.client() as client:
            for unknown in ("nobody", 77):
                with pytest.raises(NotFound, match=str(unknown)):
                    await client.call(unknown, {})

    @pytest.mark.parametrize("missing", ["sessionsAcl:CREATE", "functionsAcl:RUN", "functionsAcl:READ"])
    async def test_missing_capability(self, server, reports, missing):
        """Whichever capability is missing is named, without waiting for minutes."""
        has = {"sessionsAcl:CREATE", "functionsAcl:RUN", "functionsAcl:READ"} - {missing}
        other = OAuthClient(client_id="other", client_secret="s", capabilities=has)
        server.add_client(other)
        acting = credentials(server, client_id="other", client_secret="s")
        async with server.client() as client:
            number = (await client.functions.retrieve("sleep")).id
        async with server.client(credentials=acting) as client:
            with pytest.raises((PermissionDenied, CallLost), match=missing):
                await client.call("sleep" if missing.endswith("READ") else number, {"seconds": 0})

    async def test_server_gone_while_calls_run(self, root, reports):
        """When the server goes away, running calls are lost by name, with a reference, and new ones do not connect."""
        settings = Settings(patience=0.5)
        async with serve(root) as server:
            client = server.client(settings=settings)
            await client.start()
            running = [client.call("sleep", {"seconds": 30}) for _ in range(5)]
            await asyncio.gather(*(handle.submitted() for handle in running))
        for handle in running:
            with pytest.raises(CallLost, match=r"no poll got a usable answer.*client\.attach") as caught:
                await handle
            assert caught.value.ref == handle.ref
        await client.aclose()

    async def test_server_not_there(self, root, reports):
        """An address that nobody listens at is a ConnectError that names it."""
        async with serve(root) as server:
            client = server.client(credentials=BearerToken("token"))
        settings = Settings(connect_patience=0.2)
        async with Client(
            "local", base_url=client.base_url, credentials=BearerToken("token"), settings=settings
        ) as client:
            with pytest.raises(ConnectError, match=client.base_url):
                await client.call(1, {})

    @pytest.mark.parametrize("status", [200, 404, 302])
    async def test_html(self, reports, status):
        """A web site in the API's place is recognised as one."""

        async def page(_):
            headers = {"location": "/login"} if status == 302 else {}
            return web.Response(status=status, text="<html>Welcome</html>", content_type="text/html", headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", page)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = site._server.sockets[0].getsockname()
        try:
            settings = Settings(connect_patience=0.2)
            async with Client(
                "acme", base_url=f"http://{host}:{port}", credentials=BearerToken("token"), settings=settings
            ) as client:
                for function in (1, "double"):
                    with pytest.raises(Exception, match="an HTML page") as caught:
                        await client.call(function, {})
                    assert isinstance(caught.value, DecodeError) == (status == 200)
        finally:
            await runner.cleanup()


FAN_OUT = """
import asyncio
import aiocdf

async def main():
    async with aiocdf.Client.from_env() as client:
        handles = [client.call("sleep", {"seconds": 30}) for _ in range(120)]
        await handles[0].submitted()
        print("running", flush=True)
        DO

asyncio.run(main())
"""
WAYS = {
    "gather": "await asyncio.gather(*(handle.response() for handle in handles))",
    "gather handles": "await asyncio.gather(*handles)",
    "one": "await handles[0]",
    "nobody waits": "await asyncio.sleep(30)",
    "as_completed": "print([handle async for handle in client.as_completed(handles)])",
    "task group": (
        "\n        async with asyncio.TaskGroup() as group:"
        "\n            [group.create_task(handle.wait()) for handle in handles]"
    ),
    "logs": "print([line async for line in handles[0].logs(follow=True)])",
}
NOISE = ("never retrieved", "never awaited", "was destroyed", "Unclosed", "ClientClosed", "ResourceWarning", "aiocdf: ")


async def run(server, code, *, interrupt):
    """Run a fan-out as a process; return its status and what it wrote on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-X",
        "dev",
        "-c",
        FAN_OUT.replace("DO", code),
        env=os.environ | server.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"running\n"
            if interrupt:
                process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode, errors.decode()


class TestInterrupt:
    @pytest.mark.parametrize("way", WAYS)
    async def test_ctrl_c_in_a_fan_out(self, server, way):
        """Ctrl-C ends a program as Python does, at once and with one traceback, however it waits for its calls."""
        status, errors = await run(server, WAYS[way], interrupt=True)
        assert status == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert not [noise for noise in NOISE if noise in errors], errors

    async def test_exception_in_a_fan_out(self, server):
        """An exception of the program's own leaves the client without a word about calls."""
        status, errors = await run(server, "raise ZeroDivisionError('mine')", interrupt=False)
        assert status == 1
        assert errors.rstrip().endswith("ZeroDivisionError: mine")
        assert errors.count("Traceback") == 1
        assert not [noise for noise in NOISE if noise in errors], errors

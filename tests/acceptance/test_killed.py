"""`aiocdf serve`, killed with `kill -9` at random moments while clients use it, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import signal
import subprocess
import time
import zipfile

import aiohttp
import pytest

FUNCTIONS = {
    "quick": 'def handle(data):\n    print("got", data["x"])\n    return data["x"]\n',
    "slow": 'import time\ndef handle():\n    print("began", flush=True)\n    time.sleep(600)\n',
}


class Server:
    """A server that is started again and again in the same folder."""

    def __init__(self, shell) -> None:
        self._shell = shell
        for name, source in FUNCTIONS.items():
            (shell.folder / "functions" / name).mkdir(parents=True)
            (shell.folder / "functions" / name / "handler.py").write_text(source)

    async def start(self, *options: str) -> None:
        screen = self._shell.folder / "screen"
        with screen.open("w") as out:
            self.process = self._shell.start(
                "serve", "functions", "--env-file", "local.env", *options, stdout=out, stderr=subprocess.DEVNULL
            )
        while "Ctrl-C" not in screen.read_text():
            assert self.process.poll() is None
            await asyncio.sleep(0.02)
        lines = (self._shell.folder / "local.env").read_text().splitlines()
        self.environment = dict(line.split("=", 1) for line in lines)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def wait_for_end_of_processes(shell) -> None:
    """Wait until the processes that ran functions have seen that their server is gone."""
    until = time.monotonic() + 10
    while shell.processes() and time.monotonic() < until:
        time.sleep(0.05)


@pytest.fixture
def server(shell):
    """A server that has ended when the test has."""
    server = Server(shell)
    yield server
    server.process.terminate()
    server.process.wait(timeout=20)
    wait_for_end_of_processes(shell)


class Caller:
    """A client that starts calls, reads them, and records the answers."""

    def __init__(self) -> None:
        #: By call: its function, and what was last answered.
        self.answers: dict[int, tuple[int, dict[str, object]]] = {}
        self.responses: dict[int, object] = {}

    async def sign_in(self, environment) -> None:
        self._base = f"{environment['CDF_URL']}/api/v1/projects/local"
        self.http = aiohttp.ClientSession()
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["IDP_CLIENT_ID"],
            "client_secret": environment["IDP_CLIENT_SECRET"],
        }
        async with self.http.post(environment["IDP_TOKEN_URL"], data=form) as answer:
            self.http.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"
        self.functions = {
            function.get("externalId"): function["id"] for function in (await self.get("/functions"))["items"]
        }

    async def close(self) -> None:
        await self.http.close()

    async def get(self, path):
        async with self.http.get(self._base + path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def post(self, path, body):
        async with self.http.post(self._base + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def call_on(self, name) -> None:
        """Call a function again and again until the server is gone."""
        function = self.functions[name]
        with contextlib.suppress(aiohttp.ClientError):
            while True:
                session = await self.post("/sessions", {"items": [{"oneshotTokenExchange": True}]})
                body = {"nonce": session["items"][0]["nonce"], "data": {"x": len(self.answers)}}
                call = await self.post(f"/functions/{function}/call", body)
                self.answers[call["id"]] = function, call
                if name == "slow":
                    await asyncio.sleep(60)
                path = f"/functions/{function}/calls/{call['id']}"
                while call["status"] == "Running":
                    call = await self.get(path)
                self.answers[call["id"]] = function, call
                self.responses[call["id"]] = await self.get(f"{path}/response"), await self.get(f"{path}/logs")

    async def check(self) -> None:
        """Hold what was answered before against what is answered now."""
        for call_id, (function, before) in self.answers.items():
            path = f"/functions/{function}/calls/{call_id}"
            now = await self.get(path)
            if before["status"] != "Running":
                assert before == now
            else:
                assert "Running" != now["status"]
                assert "Completed" == now["status"] or "ended" in now["error"]["message"]
            if call_id in self.responses:
                assert self.responses[call_id] == (await self.get(f"{path}/response"), await self.get(f"{path}/logs"))
            self.answers[call_id] = function, now


@pytest.mark.timeout(120)
async def test_kill(server):
    """Every answer holds after each of many kills: calls, ends, responses and logs; what ran has failed, with a reason."""
    caller, moments = Caller(), random.Random(1)
    for _ in range(4):
        await server.start()
        await caller.sign_in(server.environment)
        await caller.check()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caller.call_on(name)) for name in ["quick"] * 8 + ["slow"] * 2]
            await asyncio.sleep(moments.uniform(0.2, 0.8))
            server.kill()
            for task in tasks[8:]:
                task.cancel()
        await caller.close()
    await server.start()
    await caller.sign_in(server.environment)
    await caller.check()
    await caller.close()
    assert {"Completed", "Failed"} == {call["status"] for _, call in caller.answers.values()}
    assert len(caller.responses) > 20


@pytest.mark.timeout(30)
async def test_processes_of_a_killed_server(server, shell):
    """The processes that ran functions end with a server that was killed."""
    caller = Caller()
    await server.start()
    await caller.sign_in(server.environment)
    task = asyncio.create_task(caller.call_on("slow"))
    while len(shell.processes()) < 2:
        await asyncio.sleep(0.02)
    server.kill()
    task.cancel()
    await caller.close()
    await asyncio.to_thread(wait_for_end_of_processes, shell)
    assert [] == shell.processes()


async def test_log_of_a_call_that_ran(server):
    """What a call had printed more than a second before the kill is in its log afterwards."""
    caller = Caller()
    await server.start()
    await caller.sign_in(server.environment)
    task = asyncio.create_task(caller.call_on("slow"))
    while not caller.answers:
        await asyncio.sleep(0.02)
    ((call_id, (function, _)),) = caller.answers.items()
    path = f"/functions/{function}/calls/{call_id}/logs"
    while not (printed := (await caller.get(path))["items"]):
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.5)
    server.kill()
    task.cancel()
    await caller.close()
    await server.start()
    await caller.sign_in(server.environment)
    assert printed == (await caller.get(path))["items"]
    await caller.check()
    await caller.close()


def code(number: int) -> bytes:
    """A zip file with a function that returns a number, and much else, so that it takes a moment to unpack."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for other in range(200):
            archive.writestr(f"data/{other}.txt", "x" * 1000)
        archive.writestr("handler.py", f"def handle():\n    return {number}\n")
    return content.getvalue()


async def create_on(caller: Caller, made: dict[int, tuple[int, int]]) -> None:
    """Create functions with a schedule each until the server is gone; keep what was answered, by number."""
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            number = len(made)
            file = await caller.post("/files", {"name": "code.zip"})
            async with caller.http.put(file["uploadUrl"], data=code(number)) as answer:
                answer.raise_for_status()
            function = await caller.post("/functions", {"items": [{"name": "made", "fileId": file["id"]}]})
            session = await caller.post("/sessions", {"items": [{"oneshotTokenExchange": True}]})
            schedule = {
                "name": "yearly",
                "cronExpression": "0 0 1 1 *",
                "functionId": function["items"][0]["id"],
                "nonce": session["items"][0]["nonce"],
                "data": {"number": number},
            }
            schedule = await caller.post("/functions/schedules", {"items": [schedule]})
            made[number] = function["items"][0]["id"], schedule["items"][0]["id"]


async def value_of(caller: Caller, function: int) -> object:
    """What a function returns, once it is Ready."""
    while (status := (await caller.get(f"/functions/{function}"))["status"]) in {"Queued", "Deploying"}:
        await asyncio.sleep(0.02)
    assert "Ready" == status
    session = await caller.post("/sessions", {"items": [{"oneshotTokenExchange": True}]})
    call = await caller.post(f"/functions/{function}/call", {"nonce": session["items"][0]["nonce"]})
    path = f"/functions/{function}/calls/{call['id']}"
    while (await caller.get(path))["status"] == "Running":
        await asyncio.sleep(0.02)
    return (await caller.get(f"{path}/response"))["response"]


@pytest.mark.timeout(120)
async def test_kill_while_functions_are_created(server):
    """Functions that were created run after each kill, with their code and schedules; none is half there."""
    moments = random.Random(1)
    made: dict[int, tuple[int, int]] = {}
    for _ in range(3):
        caller = Caller()
        await server.start()
        await caller.sign_in(server.environment)
        creating = asyncio.create_task(create_on(caller, made))
        until = len(made) + 1
        while len(made) < until:
            await asyncio.sleep(0.02)
        await asyncio.sleep(moments.uniform(0, 0.2))
        server.kill()
        await creating
        await caller.close()
    caller = Caller()
    await server.start()
    await caller.sign_in(server.environment)
    for number, (function, schedule) in made.items():
        assert number == await value_of(caller, function)
        assert {"id": schedule, "data": {"number": number}} == await caller.get(
            f"/functions/schedules/{schedule}/input_data"
        )
    for function in (await caller.get("/functions"))["items"]:
        if function["name"] == "made":
            assert isinstance(await value_of(caller, function["id"]), int)
    await caller.close()


async def test_where_the_state_is(server, shell):
    """Without `--state`, a folder of functions has a place of its own in the user's state directory."""
    place = shell.folder.with_name(f"{shell.folder.name}-state") / "aiocdf" / "serve"
    await server.start()
    server.kill()
    (folder,) = place.iterdir()
    assert (folder / "state.db").is_file()
    assert str(folder) in (shell.folder / "screen").read_text()
    await server.start("--state", "kept")
    server.kill()
    assert (shell.folder / "kept" / "state.db").is_file()


async def test_fresh(server):
    """`--fresh` deletes the calls of earlier servers."""
    counts = []
    for options in ([], [], ["--fresh"]):
        await server.start(*options)
        caller = Caller()
        await caller.sign_in(server.environment)
        calls = f"/functions/{caller.functions['slow']}/calls"
        counts.append(len((await caller.get(calls))["items"]))
        task = asyncio.create_task(caller.call_on("slow"))
        while not caller.answers:
            await asyncio.sleep(0.02)
        server.kill()
        task.cancel()
        await caller.close()
    assert [0, 1, 0] == counts

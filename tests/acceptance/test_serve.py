"""`aiocdf serve`, and clients that find it by what it says."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest

DOUBLE = """
def handle(data):
    return 2 * data["x"]
"""
SLOW = """
import time

def handle():
    print("begun", flush=True)
    time.sleep(600)
"""
CALL = """
import asyncio, aiocdf

async def main():
    async with aiocdf.Client.from_env() as client:
        print(await client.call("double", data={"x": 21}).response())

asyncio.run(main())
"""
START_SLOW = """
import asyncio, sys, aiocdf

async def main():
    async with aiocdf.Client.from_env() as client:
        handles = [client.call("slow") for _ in range(3)]
        await asyncio.gather(*(handle.submitted() for handle in handles))
        if "wait" in sys.argv:
            await asyncio.gather(*(anext(handle.logs(follow=True)) for handle in handles))

asyncio.run(main())
"""


@attrs.frozen
class Served:
    """A server that runs, and where to read what it says."""

    process: subprocess.Popen[str]
    folder: Path

    def screen(self) -> str:
        return (self.folder / "screen").read_text()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def env_file(self) -> Path:
        return self.folder / "local.env"

    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.env_file().read_text().splitlines())


def deploy(folder: Path, name: str, source: str) -> None:
    """Write a function."""
    function = folder / "functions" / name
    function.mkdir(parents=True, exist_ok=True)
    (function / "handler.py").write_text(source)


def wait_for(condition) -> None:
    """Look until it is so."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it took too long")


def serve(shell, *more: str, **environment: str) -> Served:
    """Start a server of three functions, one of them broken, and wait until it says that it is ready."""
    deploy(shell.folder, "double", DOUBLE)
    deploy(shell.folder, "slow", SLOW)
    deploy(shell.folder, "[red]typo", "def handle(:\n")
    with (shell.folder / "screen").open("w") as screen, (shell.folder / "log").open("w") as log:
        options = ("--env-file", "local.env", "--allow-host", "functions.example", "--limit", "log-bytes=1000", *more)
        process = shell.start("serve", "functions", *options, stdout=screen, stderr=log, environment=environment)
    server = Served(process, shell.folder)
    wait_for(lambda: "Ctrl-C" in server.screen() or process.poll() is not None)
    return server


@pytest.fixture(scope="module")
def server(module_shell):
    """A server for tests that leave it running."""
    server = serve(module_shell)
    yield server
    server.process.terminate()
    server.process.wait()


def test_tells_address_and_functions(server):
    """It says where it is and what it runs; for a function that cannot be deployed, why, and names are no markup."""
    rows = {line.split()[0]: line.split()[2:] for line in server.screen().splitlines() if len(line.split()) > 2}

    assert server.screen().startswith(f"aiocdf serves project local at {server.environment()['CDF_URL']}\n")
    assert rows["double"] == ["Ready"]
    assert rows["[red]typo"][:2] == ["Failed:", "handler.py,"]


def test_tells_the_page(server):
    """It prints the address of its page in one piece, and the key in it opens the page's events."""
    (address,) = re.findall(r"http://\S+/page#\S+", server.screen())
    url, _, key = address.partition("#")
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    for path, headers in (("/page", {}), ("/page/events", {"Authorization": f"Bearer {key}"})):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.readline().strip() in {b"<!doctype html>", b"event: snapshot"}
        connection.close()
    assert key not in server.log()


def test_tells_settings(server, module_shell):
    """It says where its state is, and the limits, as options would set them."""
    (state,) = (module_shell.folder.with_name(f"{module_shell.folder.name}-state") / "aiocdf" / "serve").iterdir()
    assert f"Its state is kept in {state}\n" in server.screen()
    (limits,) = (line for line in server.screen().splitlines() if line.startswith("Limits: "))
    assert {"calls-per-function=100", "log-bytes=1000"} <= set(limits.removeprefix("Limits: ").split(", "))


def test_writes_no_control_codes_to_a_file(server):
    """What is not a terminal gets plain text."""
    assert "\x1b" not in server.screen() + server.log()
    assert "\r" not in server.screen() + server.log()


def test_prints_the_environment_to_paste(server):
    """The export lines, run by a shell, give what the environment file has."""
    exports = "".join(line + "\n" for line in server.screen().splitlines() if line.startswith("export "))

    seen = subprocess.run(["sh", "-c", exports + "env"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"{name}={value}" for name, value in server.environment().items()} <= set(seen)
    assert "Ctrl-C" in server.screen()


@pytest.mark.parametrize(("host", "status"), [("functions.example", 404), ("evil.example", 421)])
def test_answers_for_the_names_it_is_given(server, host, status):
    """A request for a host that the server was not given is refused."""
    connection = http.client.HTTPConnection(urlsplit(server.environment()["CDF_URL"]).netloc)
    connection.request("GET", "/nothing", headers={"Host": host})
    assert status == connection.getresponse().status
    connection.close()


def test_environment_file_is_for_its_owner_only(server):
    """It has a secret, so others cannot read it."""
    assert stat.S_IMODE(server.env_file().stat().st_mode) == 0o600


def test_client_in_another_process_finds_it(server, module_shell):
    """A program that reads the environment calls a function, and the server logs the call in one line."""
    before = server.log()

    assert module_shell.python(CALL, server.environment()) == "42\n"
    (line,) = server.log().removeprefix(before).splitlines()
    assert " of double: Completed in " in line


def test_next_call_runs_changed_code(server, module_shell):
    """Code that is changed while the server runs is what the next call runs."""
    module_shell.python(CALL, server.environment())
    deploy(server.folder, "double", DOUBLE.replace("2 *", "200 *"))
    try:
        assert module_shell.python(CALL, server.environment()) == "4200\n"
    finally:
        deploy(server.folder, "double", DOUBLE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_with_calls_running(shell, number):
    """Ctrl-C and its like end server, running calls and environment file, at once and without a word."""
    server = serve(shell)
    shell.python(START_SLOW, server.environment(), "wait")
    assert len(shell.processes()) >= 4
    before = server.log()

    server.process.send_signal(number)
    server.process.send_signal(number)  # from someone impatient
    status = server.process.wait(timeout=5)

    assert status == 0
    assert shell.processes() == []
    assert not server.env_file().exists()
    said = server.log().removeprefix(before).splitlines()
    assert [line for line in said if " of slow: Failed in " not in line] == []


def test_keeps_the_environment_file_of_another_server(shell):
    """A server that ends removes its own file only."""
    server = serve(shell)
    server.env_file().write_text("CDF_URL=http://127.0.0.1:1\n")

    shell.press_ctrl_c(server.process)

    assert server.process.wait(timeout=5) == 0
    assert server.env_file().read_text() == "CDF_URL=http://127.0.0.1:1\n"


def restarted(shell, server: Served, *more: str) -> Served:
    """End a server, and start the next one in the same folder."""
    server.process.terminate()
    server.process.wait()
    return serve(shell, *more)


def test_restarted_server_takes_the_old_configuration(shell):
    """Address and secret are the same at the next start, so a client that was set up before goes on."""
    server = serve(shell)
    before = server.environment()
    server = restarted(shell, server)

    assert server.environment() == before
    assert shell.python(CALL, before) == "42\n"


def test_fresh_server_has_a_new_secret(shell):
    """`--fresh` makes a new secret too, and a client with the old one is told what to do."""
    server = serve(shell)
    before = server.environment()
    server = restarted(shell, server, "--fresh")
    status, _, err = shell.run("-c", CALL, command=[sys.executable], environment=before)

    assert (status, server.environment()["CDF_URL"]) == (1, before["CDF_URL"])
    assert server.environment()["IDP_CLIENT_SECRET"] != before["IDP_CLIENT_SECRET"]
    assert "started again" in err


def test_usual_port_is_taken(shell):
    """Where another program has the port of the folder, the server takes a free one."""
    server = serve(shell)
    port = urlsplit(server.environment()["CDF_URL"]).port
    server.process.terminate()
    server.process.wait()
    with socket.create_server(("127.0.0.1", port)):
        server = serve(shell)
        assert urlsplit(server.environment()["CDF_URL"]).port not in {None, port}


def test_client_secret_of_an_environment_variable(shell):
    """The secret can come from outside; it is not kept for later servers, nor shown in the arguments."""
    server = serve(shell, "--client-secret", "env:MY_SECRET", MY_SECRET="a secret of mine")

    assert server.environment()["IDP_CLIENT_SECRET"] == "a secret of mine"
    assert shell.python(CALL, server.environment()) == "42\n"
    server = restarted(shell, server)
    assert server.environment()["IDP_CLIENT_SECRET"] != "a secret of mine"


def test_warns_of_others(shell):
    """A server that other machines can reach says what these can do."""
    server = serve(shell, "--host", "0.0.0.0", "--open-to-others")

    assert "Other machines can reach this server" in server.screen()
    assert server.environment()["CDF_URL"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["functions", "--host", "0.0.0.0"], "'0.0.0.0'"),
        (["functions", "--client-secret", "hunter2"], "--client-secret must be env:NAME or file:PATH"),
        (["nowhere"], "folder 'nowhere' does not exist"),
        (["functions/empty"], "no functions found in 'functions/empty'"),
        (["functions", "--env-file", "nowhere/local.env"], "cannot write the environment to 'nowhere/local.env'"),
        (["functions", "--env-file", "functions"], "cannot write the environment to 'functions'"),
        (["functions", "--project", "a/b"], "project is not a project name"),
        (["functions", "--limit", "calls=1"], "unknown limit 'calls'"),
        (["functions", "--faults", "nowhere.toml"], "'nowhere.toml'"),
        (["functions", "--state", "functions/double/handler.py"], "'functions/double/handler.py'"),
    ],
)
def test_says_in_a_line_what_is_wrong(shell, arguments, reason):
    """What cannot be served is told in one line, and leaves nothing behind."""
    deploy(shell.folder, "double", DOUBLE)
    (shell.folder / "functions" / "empty").mkdir()

    status, out, err = shell.run("serve", *arguments)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert reason in err
    assert [path.name for path in shell.folder.iterdir()] == ["functions"]


def test_second_server_of_a_folder(server, module_shell):
    """A second server of the same folder is told to keep its state elsewhere, and runs if it does."""
    status, out, err = module_shell.run("serve", "functions")
    reason = err.splitlines()[-1]
    assert (status, out) == (2, "")
    assert reason.startswith("error: another server ")
    assert "--state" in reason
    second = module_shell.start("serve", "functions", "--state", "second")
    wait_for((module_shell.folder / "second" / "state.db").exists)
    second.terminate()
    assert second.wait(timeout=10) == 0
    second.communicate()


def test_taken_port_is_told(shell):
    """A port that another program has is told with what to do."""
    deploy(shell.folder, "double", DOUBLE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, err = shell.run("serve", "functions", "--port", str(port))

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert f"127.0.0.1 port {port} " in err


def test_refused_and_failed_calls_are_logged(server, module_shell):
    """A call of what is not ready, a call that fails, and a wrong secret are a line each on the console."""
    before = server.log()
    for program in (CALL.replace('"double"', '"[red]typo"'), CALL.replace('"x"', '"y"')):
        assert module_shell.run("-c", program, command=[sys.executable], environment=server.environment())[0] == 1
    wrong = server.environment() | {"IDP_CLIENT_SECRET": "hunter2-hunter2"}
    status, _, err = module_shell.run("-c", CALL, command=[sys.executable], environment=wrong)

    lines = [line.partition(" ")[2] for line in server.log().removeprefix(before).splitlines()]
    assert (status, "hunter2" in err + server.log()) == (1, False)
    assert re.fullmatch(r"rejected POST /api/v1/projects/local/functions/\d+/call: 400 .* is not ready .*", lines[0])
    assert re.fullmatch(r"call \d+ of double: Failed in .* s: KeyError: 'x'|.*'x'", lines[1])
    assert lines[2].startswith("rejected POST /oauth2/token: 401 ")


def test_ctrl_backslash_ends_calls_that_wait(shell):
    """Calls that a program left behind and that have not begun end at once, and the next program's call runs."""
    server = serve(shell, "--processes", "1")
    shell.python(START_SLOW, server.environment())
    server.process.send_signal(signal.SIGQUIT)

    wait_for(lambda: server.log().count("Failed in") == 2)
    assert server.log().count("cancelled before the function started") == 2
    assert server.process.poll() is None

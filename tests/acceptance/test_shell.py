"""The commands of the shell, against one local server that they find by themselves."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time

import pytest
from typer.testing import CliRunner

from aiocdf.cli.app import app

DOUBLE = """
def handle(data):
    print("doubling", data["x"])
    if data.get("fail"):
        raise ValueError("no such number")
    return {"doubled": 2 * data["x"]}
"""
SLOW = """
import time

def handle():
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def served(module_shell):
    """A shell in whose account `aiocdf serve` runs, with no environment for it; and the address that it printed."""
    for name, source in (("double", DOUBLE), ("slow", SLOW)):
        (module_shell.folder / "functions" / name).mkdir(parents=True)
        (module_shell.folder / "functions" / name / "handler.py").write_text(source)
    with (module_shell.folder / "log").open("w") as log:
        server = module_shell.start("serve", "functions", "--port", "0", "--env-file", "local.env", stderr=log)
    lines = iter(server.stdout.readline, "")
    (module_shell.url,) = re.findall(r"http://\S+", next(lines))
    next(line for line in lines if "Ctrl-C" in line)
    yield module_shell
    server.send_signal(signal.SIGQUIT)
    server.terminate()
    server.communicate()


@pytest.fixture
def run(served, monkeypatch):
    """Runs a command in this process: most of what a command takes is the start of its process."""
    for name in environment(served):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", served._environment["XDG_STATE_HOME"])
    monkeypatch.chdir(served.folder)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str, environment=None) -> tuple[int, str, str]:
        ended = CliRunner().invoke(app, arguments, prog_name="aiocdf", env=environment)
        return ended.exit_code, ended.stdout, ended.stderr

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def read(run):
    """Runs a command on the local server that writes JSON, and returns that."""

    def read(*arguments: str):
        status, out, err = run(*arguments, "--local")
        assert status == 0, err
        return json.loads(out)

    return read


def environment(shell) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (shell.folder / "local.env").read_text().splitlines())


def test_call_writes_the_response(served):
    """stdout has the response as JSON and nothing else; with `--follow`, stderr has what the function printed."""
    status, out, err = served.run("call", "double", '{"x": 21}', "--local", "--follow")

    assert (status, json.loads(out)) == (0, {"doubled": 42})
    assert "doubling 21" in err
    assert "\x1b" not in out + err


def test_call_by_the_address_that_serve_printed(served):
    """`--url` takes the address that the server printed; data can come by stdin."""
    with (served.folder / "data.json").open("w+") as data:
        data.write('{"x": 4}')
        data.seek(0)
        status, out, _ = served.run("call", "double", "-", "--url", served.url, stdin=data)
    assert (status, json.loads(out)) == (0, {"doubled": 8})


def test_failed_call(served, run):
    """A failed call has code 1, the function's traceback on stderr, and with `--json` the call on stdout."""
    status, out, err = run("call", "double", '{"x": 1, "fail": true}', "--local", "--json")

    call = json.loads(out)
    assert (status, call["status"], call["response"]) == (1, "Failed", None)
    assert "no such number" in call["error"]["message"]
    assert err.startswith("error: call ")
    assert "line 5, in handle" in err
    assert "aiocdf/" not in err


def test_calls_are_listed_and_read(run, read):
    """A call that was started without waiting is listed, waited for, and read in each way."""
    _, number, _ = run("call", "double", '{"x": 5}', "--local", "--no-wait")
    which = ("double", number.strip())

    waited = read("calls", "wait", *which, "--json")
    assert (waited["id"], waited["response"]) == (int(number), {"doubled": 10})
    assert read("calls", "response", *which) == {"doubled": 10}
    assert read("calls", "show", *which, "--output", "json")["status"] == "Completed"
    assert read("calls", "logs", *which, "--output", "jsonl")["message"] == "doubling 5"
    listed = read("calls", "list", "double", "--status", "completed", "--output", "json")
    assert int(number) in {call["id"] for call in listed}


def test_schedules_are_created_and_deleted(run, read):
    """A schedule is created, listed, shown with its data and next runs, and deleted."""
    options = ("--function", "double", "--data", '{"x": 1}', "--output", "json")
    created = read("schedules", "create", "hourly", "0 * * * *", *options)
    number = str(created["id"])

    assert [each["id"] for each in read("schedules", "list", "-o", "json", "--function", "double")] == [int(number)]
    shown = read("schedules", "show", number, "--output", "json")
    assert shown["data"] == {"x": 1}
    assert [run[14:16] for run in shown["next_runs"]] == ["00"] * 5
    assert run("schedules", "delete", number, "--local", "--yes")[0] == 0
    assert run("schedules", "show", number, "--local")[0] == 3


def test_from_init_to_a_deployed_function(served, run, read):
    """A new function is deployed with a secret, called by the program made for it, and deleted."""
    assert run("init", "hello")[0] == 0
    assert run("init", "hello")[0] == 2

    (served.folder / "key").write_text("hunter2-hunter2\n")
    options = ("--secret", "api-key=file:key", "--name", "Hello", "--output", "json")
    status, out, err = run("functions", "deploy", "hello", *options, "--local")
    assert (status, json.loads(out)["status"], json.loads(out)["name"]) == (0, "Ready", "Hello")
    assert json.loads(out)["description"] == "Doubles a number."
    assert "handler.py" in err
    assert "hunter2" not in out + err
    printed = served.python((served.folder / "hello" / "call.py").read_text(), environment(served))
    assert printed.splitlines() == [str({"doubled": 2 * x}) for x in range(10)]

    assert "hello" in {each["external_id"] for each in read("functions", "list", "-o", "json")}
    assert run("functions", "delete", "hello", "--local", "--yes")[0] == 0
    assert run("functions", "show", "hello", "--local")[0] == 3


def test_build_error_is_shown(served, run):
    """If a function's code is not importable, the deployment ends with code 1 and the end of the build log."""
    (served.folder / "broken").mkdir()
    (served.folder / "broken" / "handler.py").write_text("import nowhere\n\ndef handle(data): ...\n")

    status, _, err = run("functions", "deploy", "broken", "--local")

    assert status == 1
    assert "No module named 'nowhere'" in err
    assert "Traceback" in err


def test_lost_schedules_can_be_created_again(served, run, read):
    """Where the new code cannot be built, the commands that create the schedules again are shown, with their data."""
    code = served.folder / "kept"
    code.mkdir()
    (code / "handler.py").write_text("def handle(data): ...\n")
    assert run("functions", "deploy", "kept", "--local")[0] == 0
    created = read(
        "schedules", "create", "at night", "0 3 * * *", "--function", "kept", "--data", '{"x": 1}', "-o", "json"
    )
    (code / "handler.py").write_text("import nowhere\n\ndef handle(data): ...\n")
    status, _, err = run("functions", "deploy", "kept", "--local")
    assert (status, read("schedules", "list", "--output", "json")) == (1, [])

    (code / "handler.py").write_text("def handle(data): ...\n")
    assert run("functions", "deploy", "kept", "--local")[0] == 0
    (command,) = re.findall(r"^aiocdf (schedules create .+)", err, re.MULTILINE)
    assert run(*shlex.split(command))[0] == 0
    (again,) = read("schedules", "list", "--output", "json")
    assert (again["name"], again["cron_expression"]) == (created["name"], created["cron_expression"])
    assert read("schedules", "show", str(again["id"]), "--output", "json")["data"] == {"x": 1}
    assert run("functions", "delete", "kept", "--local", "--yes")[0] == 0


def test_map_and_whoami_find_the_server_too(served, run):
    """The other commands take `--local` as well."""
    (served.folder / "inputs.jsonl").write_text('{"x": 1}\n')
    assert run("map", "double", "inputs.jsonl", "--out", "results.jsonl", "--local")[0] == 0
    assert "You can call functions" in run("whoami", "--local")[1]


def test_without_environment_the_error_says_both_ways_out(served, run):
    """Without `--local`, the line names the variables and the server that runs; `--debug` adds the traceback."""
    status, out, err = run("call", "double")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "CDF_PROJECT" in err
    assert f"--local to use the server at {served.url}" in err

    _, _, err = run("call", "double", "--debug")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_codes_of_errors(served, run):
    """Programs learn from the code what went wrong: the name, or the sign-in."""
    right = environment(served)
    for code, changes in ((3, {}), (4, {"IDP_CLIENT_SECRET": "wrong"})):
        status, out, err = run("functions", "show", "nowhere", environment=right | changes)
        assert (status, out, err.count("\n")) == (code, "", 1)


@pytest.mark.parametrize("command", ["show", "logs", "response", "wait"])
def test_unknown_call(run, command):
    """Each command that reads a call says by its code that there is none."""
    status, out, err = run("calls", command, "double", "5", "--local")
    assert (status, out, err.count("\n")) == (3, "", 1)


def test_call_that_is_no_longer_waited_for(served):
    """After `--timeout` and after Ctrl-C the call runs on, and the command to wait for it is shown."""

    def goes_on(err: str) -> bool:
        """Whether the command that is shown finds the call."""
        command = re.search(r"aiocdf (calls wait .+)", err)[1].split()
        return served.run(*command, "--timeout", "0")[0] == 6

    status, out, err = served.run("call", "slow", "--local", "--timeout", "1")
    assert (status, out) == (6, "")
    assert goes_on(err)

    process = served.start("call", "slow", "--local", "--follow")
    assert "begun" in process.stderr.readline()
    served.press_ctrl_c(process)
    status, out, err = served.end_of(process)
    assert (status, out) == (130, "")
    assert goes_on(err)


def test_deployment_that_is_no_longer_waited_for(served):
    """After Ctrl-C the deployment goes on, and the command to see its status is shown."""
    (served.folder / "lazy").mkdir()
    (served.folder / "lazy" / "handler.py").write_text("import time\n\ntime.sleep(600)\n\ndef handle(): ...\n")

    process = served.start("functions", "deploy", "lazy", "--local")
    assert any("Created function" in line for line in iter(process.stderr.readline, ""))
    served.press_ctrl_c(process)
    status, out, err = served.end_of(process)

    assert (status, out) == (130, "")
    shown = served.run(*re.search(r"aiocdf (functions show .+)", err)[1].split(), "--output", "json")
    assert json.loads(shown[1])["external_id"] == "lazy"


def test_colours_only_on_terminals_that_want_them(served):
    """A terminal gets headings in bold; with NO_COLOR there are no colours."""

    def shown(**variables: str) -> bytes:
        terminal, its_end = os.openpty()
        process = served.start("functions", "list", "--local", stdout=its_end, environment=variables)
        os.close(its_end)
        seen = b""
        try:
            while chunk := os.read(terminal, 4096):
                seen += chunk
        except OSError:  # what Linux says at its end
            pass
        os.close(terminal)
        served.end_of(process)
        return seen

    assert b"\x1b[" in shown()
    assert not re.search(rb"\x1b\[[0-9;]*(?:3|4|9|10)[0-9]m", shown(NO_COLOR="1"))


def test_killed_server_is_not_taken_for_a_running_one(shell):
    """After its server was killed, `--local` says that none runs."""
    (shell.folder / "functions" / "double").mkdir(parents=True)
    (shell.folder / "functions" / "double" / "handler.py").write_text(DOUBLE)
    server = shell.start("serve", "functions", "--port", "0")
    next(line for line in iter(server.stdout.readline, "") if "Ctrl-C" in line)
    assert len(list(shell.folder.with_name(f"{shell.folder.name}-state").glob("aiocdf/running/*.json"))) == 1
    server.kill()
    server.communicate()
    for _ in range(600):  # its processes hold the pipe of the log, and end by themselves
        if not shell.processes():
            break
        time.sleep(0.05)

    status, _, err = shell.run("functions", "list", "--local")
    assert status == 2
    assert "aiocdf serve" in err

"""`aiocdf login`, `whoami` and `logout`, at a server that people sign in to."""

from __future__ import annotations

import re
import time
import urllib.parse
import urllib.request

import pytest

DOUBLE = "def handle(data):\n    return 2 * data['x']\n"
CALL = """
import asyncio, aiocdf

async def main():
    async with aiocdf.Client.from_env() as client:
        print(await client.call("double", data={"x": 21}).response())

asyncio.run(main())
"""


@pytest.fixture
def serve(shell):
    """Starts a server, and gives the environment for its clients and what it says."""

    def start(*options: str) -> tuple[dict[str, str], str]:
        folder = shell.folder / "functions" / "double"
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text(DOUBLE)
        screen = shell.folder / "screen"
        with screen.open("w") as file:
            shell.start("serve", "functions", "--env-file", "local.env", *options, stdout=file)
        wait_for(lambda: "Ctrl-C" in screen.read_text())
        lines = (shell.folder / "local.env").read_text().splitlines()
        # `true` stands for a browser that shows nothing, and the sign-ins of other people are left alone.
        known = {"XDG_STATE_HOME": str(shell.folder / "state"), "BROWSER": "true"}
        return known | dict(line.split("=", 1) for line in lines), screen.read_text()

    return start


def wait_for(condition) -> None:
    """Look until a condition holds, which takes a process a moment."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def sign_in(url: str, screen: str) -> str:
    """Do what a person does in the browser, with the password that the server told."""
    user, password = re.search(r"sign in as (\S+) with the password (\S+)", screen).groups()
    form = urllib.parse.urlencode({"user": user, "password": password, "decision": "allow"}).encode()
    with urllib.request.urlopen(url, form) as page:
        return page.read().decode()


def test_session_of_a_person(serve, shell):
    """A person signs in once; programs go on with it, `whoami` tells of it, until the person signs out."""
    environment, screen = serve("--login-flow", "interactive")
    before = shell.run("whoami", environment=environment)

    output = shell.folder / "output"
    with output.open("w") as file:
        login = shell.start("login", environment=environment, stdout=file)
    wait_for(lambda: output.read_text().count("\n") >= 3)
    page = sign_in(re.search(r"^http\S+$", output.read_text(), re.MULTILINE)[0], screen)
    status, _, err = shell.end_of(login)
    again, who = (shell.run(command, environment=environment) for command in ("login", "whoami"))
    called = shell.python(CALL, environment)
    out, nobody = (shell.run("logout", environment=environment) for _ in range(2))
    after = shell.run("whoami", environment=environment)

    assert "can close this page" in page
    assert (before[0], status, err, called) == (4, 0, "", "42\n")
    assert "aiocdf login" in before[2]
    assert output.read_text().endswith(who[1])
    assert again == who
    assert out == nobody == (0, f"No user is signed in to project local at {environment['CDF_URL']} now.\n", "")
    assert (after[0], after[1]) == (4, "")


def test_who_a_program_is(serve, shell):
    """With a client's secret nobody signs in: `whoami` and `login` tell who it is, and there is nothing to sign out of."""
    environment, _ = serve()
    status, out, err = shell.run("whoami", environment=environment)

    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["subject", "local"] in lines
    assert ["project", "local", "at", environment["CDF_URL"]] in lines
    assert ["functionsAcl", "READ,", "RUN,", "WRITE", "all"] in lines
    assert ["Calling", "functions", "will", "work."] == lines[-1]
    assert "expires in 60 min" in out
    assert environment["IDP_CLIENT_SECRET"] not in out
    assert shell.run("login", environment=environment)[0] == 0
    status, out, err = shell.run("logout", environment=environment)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "LOGIN_FLOW" in err


def test_sign_in_given_up(serve, shell):
    """Ctrl-C in the middle of a sign-in ends it without a word, and frees its port."""
    environment, _ = serve("--login-flow", "interactive")
    login = shell.start("login", environment=environment | {"PYTHONUNBUFFERED": "1"})
    assert "Sign in on the page" in login.stdout.readline()
    login.stdout.readline()

    shell.press_ctrl_c(login)

    status, _, err = shell.end_of(login)
    assert (status, err) == (130, "")


@pytest.mark.parametrize("command", ["login", "logout", "whoami"])
def test_nothing_to_sign_in_to(shell, command):
    """Without an environment that says where, each command names in a line what is missing."""
    status, out, err = shell.run(command)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "CDF_PROJECT" in err

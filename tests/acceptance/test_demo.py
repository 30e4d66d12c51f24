"""`aiocdf demo`, and what holds for every command."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
import time

FIGURES = r"""
calls +40 *
wall time +[0-9.]+ s *
polls per call +[0-9.]+ *
requests per call +[0-9.]+ *
mean detection lag +[0-9.]+ s *
"""
WITHOUT_EXTRA = """
import sys
sys.modules["typer"] = None  # as if it were not installed
from aiocdf.__main__ import main
main()
"""


def everything(terminal: int) -> str:
    """Return what is written to a terminal until nobody has it open any more."""
    seen = b""
    try:
        while chunk := os.read(terminal, 4096):
            seen += chunk
    except OSError:  # what Linux says at its end
        pass
    return seen.decode()


def test_shows_itself_in_a_pipe(shell):
    """It shows record, response, logs, progress, a failure and figures, without control codes, and what to try next."""
    status, out, err = shell.run("demo", "--calls", "40")

    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert "\r" not in out
    for part in ("status        Completed", '"signature": ', " signing\n", "30 of 40 calls done\n"):
        assert part in out
    assert re.search(FIGURES, out)
    assert out.index("handle.py") < out.index("In the function") < out.index("handler.CalibrationError: TT-104")
    assert "What to try next" in out
    assert shell.processes() == []


def test_what_to_try_next_can_be_pasted(shell):
    """Each block does what it says when it is pasted as shown, and the installed functions stay as they are."""
    _, out, _ = shell.run("demo", "--calls", "1")
    serve, call = re.findall(r":\n\n(\S.*?\n)(?:\n  |\Z)", out[out.index("What to try next") :], re.DOTALL)

    server = shell.start(serve, command=["sh", "-c"])
    while not (env := shell.folder / "local.env").exists() or not env.read_text():
        assert server.poll() is None
        time.sleep(0.05)
    assert shell.run(call, command=["sh", "-c"]) == (0, "{'value': 42}\n", "")
    handler = shell.folder / "my-functions" / "double" / "handler.py"
    assert handler.resolve().is_relative_to(shell.folder)
    shell.press_ctrl_c(server)
    shell.end_of(server)


def test_shows_progress_on_a_terminal(shell):
    """On a terminal a bar moves until all calls are done."""
    terminal, its_end = os.openpty()
    try:
        fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        process = shell.start("demo", "--calls", "40", stdin=its_end, stdout=its_end, stderr=its_end)
        os.close(its_end)
        seen = everything(terminal)
        status, _, _ = shell.end_of(process)
    finally:
        os.close(terminal)

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert status == 0
    assert "\x1b[" in seen
    assert "0/40" in plain
    assert "40/40" in plain
    assert "What to try next" in plain


def test_ctrl_c_ends_it_in_the_middle(shell):
    """Ctrl-C ends it with the shell's own status, at once, without a traceback and without a process left."""
    process = shell.start("demo", "--calls", "2000")
    assert any("500 of 2000 calls done" in line for line in process.stdout)

    shell.press_ctrl_c(process)
    status, out, err = shell.end_of(process)

    assert (status, err) == (130, "")
    assert "2000 of 2000" not in out
    assert shell.processes() == []


def test_reader_may_leave(shell):
    """When the pipe it writes to is closed, as `head` does, it ends without a word."""
    process = shell.start("demo", "--calls", "2000")
    process.stdout.readline()
    process.stdout.close()

    err = process.stderr.read()

    assert (process.wait(), err) == (1, "")
    assert shell.processes() == []


def test_wrong_option_is_told(shell):
    """An option that cannot be is a matter of usage."""
    status, out, err = shell.run("demo", "--calls", "0")

    assert (status, out) == (2, "")
    assert "--calls" in err


def test_help_names_the_commands(shell):
    """`--help` lists what there is."""
    status, out, err = shell.run("--help")

    assert (status, err) == (0, "")
    assert "serve" in out
    assert "demo" in out


def test_says_what_to_install(shell):
    """Without the packages of the extra, it says in a line how to get them."""
    status, out, err = shell.run("-c", WITHOUT_EXTRA, command=[sys.executable])

    assert (status, out) == (2, "")
    assert err == 'error: the command line needs more packages: pip install "aiocdf[cli]"\n'

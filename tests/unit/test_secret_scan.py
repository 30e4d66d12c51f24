"""The scan for secrets can fail: it finds what is planted."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import secret_scan
from tests.secret_scan import Scan

SECRET = "pl4nted & s3cret"


def scan(noted: object) -> list[str]:
    """Return what a scan finds in an error, a log record or an object."""
    scan = Scan()
    scan.note_secret(SECRET)
    if isinstance(noted, BaseException):
        scan.note_error(noted)
    elif isinstance(noted, logging.LogRecord):
        scan.note_record(noted)
    else:
        scan.note_holder(noted)
    return scan.look()


def raised(source: str) -> BaseException:
    """Return the error that a program raises, whose file is none of the tests' own."""
    try:
        exec(compile(source, "/elsewhere/program.py", "exec"), {"SECRET": SECRET}, {})
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def record(*args: object, **changes: object) -> logging.LogRecord:
    """Return a log record."""
    made = logging.LogRecord("aiocdf", logging.DEBUG, "program.py", 1, "sent %s", args or ("x",), None)
    vars(made).update(changes)
    return made


def with_note() -> ValueError:
    error = ValueError("x")
    error.add_note(SECRET)
    return error


IN_A_LOCAL = "def f(given):\n    plain = given\n    raise ValueError('x')\n"


@pytest.mark.parametrize(
    ("noted", "where"),
    [
        (ValueError(SECRET), "text of ValueError"),
        (ValueError("https://example.com/?key=pl4nted+%26+s3cret"), "text of ValueError"),
        (with_note(), "attributes of ValueError"),
        (raised("raise ValueError(SECRET)"), "text of ValueError"),
        (raised(f"{IN_A_LOCAL}f(SECRET)"), "local plain of /elsewhere/program.py:3"),
        (raised(f"{IN_A_LOCAL}f([{{'key': SECRET}}])"), "local given of /elsewhere/program.py:3"),
        (
            raised("try:\n  raise ValueError(SECRET)\nexcept ValueError as e:\n  raise TypeError('x') from e"),
            "ValueError",
        ),
        (
            raised("try:\n  raise ValueError(SECRET)\nexcept ValueError:\n  raise TypeError('x') from None"),
            "ValueError",
        ),
        (ExceptionGroup("x", [ValueError(SECRET)]), "text of ValueError"),
        (record(SECRET), "log record of aiocdf"),
        (record({"header": SECRET}), "log record of aiocdf"),
        (record(token=SECRET), "attributes of the log record"),
        (record(exc_info=(ValueError, ValueError(SECRET), None)), "text of ValueError"),
    ],
)
def test_finds(noted, where) -> None:
    """A secret is found in messages, notes, locals, chained errors and log records, in URLs too."""
    assert any(where in line for line in scan(noted))


def test_finds_in_a_repr() -> None:
    """A secret is found in the repr of an object that was made with it."""

    class Holder:
        def __repr__(self) -> str:
            return f"Holder(key={SECRET!r})"

    holder = Holder()
    assert "repr of Holder" in "".join(scan(holder))


@pytest.mark.parametrize("noted", [ValueError("x"), ValueError(SECRET + "s"), record(), raised(f"{IN_A_LOCAL}f(1)")])
def test_finds_nothing(noted) -> None:
    """Where there is no secret, none is found; a longer word is another word."""
    assert scan(noted) == []


def test_findings_do_not_repeat_the_secret() -> None:
    """What the scan reports can be published."""
    assert SECRET not in "".join(scan(ValueError(SECRET)))


CONFTEST = f"""
import importlib.util

spec = importlib.util.spec_from_file_location("secret_scan", {secret_scan.__file__!r})
scan = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scan)
scan.install()

def pytest_configure(config):
    config.pluginmanager.register(scan)
"""
PROGRAM = """
import logging
import pytest
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

KEY = Secret("pl4nted-s3cret")

def test_caught():
    with pytest.raises(ValueError):
        raise ValueError(KEY.reveal())

def test_made():
    ConfigError(KEY.reveal())

def test_logged():
    logging.getLogger("aiocdf").debug(KEY.reveal())

def test_clean():
    ConfigError(KEY)
"""


def test_threads(monkeypatch) -> None:
    """Secrets can be made in several threads at once, also while the oldest are forgotten."""
    monkeypatch.setattr(secret_scan, "MOST_SECRETS", 2)
    noting = Scan()

    def note(thread: int) -> None:
        for number in range(10_000):
            noting.note_secret(f"secret {thread} {number}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(note, range(4)))
    finally:
        sys.setswitchinterval(before)


def test_fails_the_test(tmp_path) -> None:
    """A test that shows a secret fails, however it does so."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(PROGRAM)
    options = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.search("4 passed.* 3 errors", done.stdout), done.stdout
    assert {
        name for name in ("caught", "made", "logged", "clean") if f"ERROR test_it.py::test_{name}" in done.stdout
    } == {
        "caught",
        "made",
        "logged",
    }

"""Fails each test in whose errors, log records or printed objects a secret stands as plain text.

While a test runs, it notes every text that becomes a `Secret`, every error of aiocdf that is made or that the test
catches, every log record from DEBUG up, and every object that holds credentials. When the test has ended, it looks for
the texts in messages, notes, attributes, causes, contexts and local variables of all frames but the tests' own.
"""

from __future__ import annotations

import collections
import functools
import logging
import os
import re
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus
from weakref import ref

import pytest
from _pytest.raises import RaisesExc

from aiocdf import AiocdfError, Client
from aiocdf.auth import AuthorizationCode, BearerToken, ClientCredentials, DeviceCode, TokenSource
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Shorter texts occur by chance.
SHORTEST = 5
#: Secrets of tests that are words of our messages and names too, and texts of the environment, all of whose variables
#: are read as if they were secrets.
HARMLESS = {"later", "other", "simulated", "token", "wrong", *os.environ.values()}
#: Tests that make errors or secrets in thousands are looked at by their latest.
MOST_ERRORS = 50
MOST_SECRETS = 2_000
#: The frames of these files hold the secrets that tests and documents are made with.
OWN_FRAMES = (
    str(Path(__file__).parent),
    ".md",
    "/_pytest/",
    "/pluggy/",
    "/hypothesis/",
    "/pytest_asyncio/",
    "/looptime/",
    "/cognite/",
    "/httpx",
)
#: The log of servers that tests run, which holds the state of sign-ins.
SERVER_LOG = "aiohttp.access"
#: Version 7 of Cognite's client logs what it sends, and the library that gets its tokens logs those.
LOGS_OF_OTHERS = (SERVER_LOG, "cognite.client", "requests_oauthlib")
#: The frame of aiohttp's server that has read the request, with the token that a client sent in it.
SERVER_FRAMES = ("/aiohttp/web_protocol.py",)
ALWAYS_IN_RECORDS = vars(logging.makeLogRecord({})).keys()
HOLDERS = (Client, AuthorizationCode, BearerToken, ClientCredentials, DeviceCode, TokenSource)


class Scan:
    """What was seen since the last look."""

    def __init__(self) -> None:
        self._secrets: dict[str, None] = {}
        self._lock = threading.Lock()  # a client and a server may run in threads of their own
        self._lasting: frozenset[str] = frozenset()
        self._errors: collections.deque[BaseException] = collections.deque(maxlen=MOST_ERRORS)
        self._texts: set[tuple[str, str]] = set()
        self._holders: list[ref[Any]] = []

    def note_secret(self, text: str) -> None:
        """Remember a text that must not be seen."""
        if len(text) >= SHORTEST and text not in HARMLESS:
            with self._lock:
                self._secrets[text] = None
                if len(self._secrets) > MOST_SECRETS:
                    del self._secrets[next(iter(self._secrets))]

    def note_error(self, error: BaseException) -> None:
        """Remember an error."""
        self._errors.append(error)

    def note_record(self, record: logging.LogRecord) -> None:
        """Remember a log record."""
        if record.name.startswith(LOGS_OF_OTHERS):
            return
        where = f"log record of {record.name} ({record.filename}:{record.lineno})"
        self._texts.add((where, record.getMessage()))
        extra = {name: value for name, value in vars(record).items() if name not in ALWAYS_IN_RECORDS}
        self._texts.add((f"attributes of the {where}", f"{_show(record.args)} {_show(extra)}"))
        if record.exc_info and record.exc_info[1]:
            self._errors.append(record.exc_info[1])

    def note_holder(self, holder: Any) -> None:
        """Remember an object that is made with secrets."""
        self._holders.append(ref(holder))

    def look(self) -> list[str]:
        """Return where secrets were seen, and forget what was noted but the secrets."""
        shown = [*self._texts, *self._shown_errors()]
        holders = [holder for known in self._holders if (holder := known()) is not None]
        shown += [(f"repr of {type(holder).__name__}", _show(holder)) for holder in holders]
        self._errors.clear()
        self._texts.clear()
        self._holders.clear()
        secrets = self._lasting.union(self._secrets)
        everything = "\n".join(text for _, text in shown)
        spelt = {
            spelling: secret for secret in secrets for spelling in (secret, _quoted(secret)) if spelling in everything
        }
        return sorted(
            {
                f"{secret[:4]}... ({len(secret)} characters) in the {where}: {_around(spelling, text)}"
                for where, text in shown
                for spelling, secret in spelt.items()
                if spelling in text and re.search(rf"\b{re.escape(spelling)}\b", f" {text} ")
            }
        )

    def keep(self) -> None:
        """Never forget the secrets noted so far."""
        self._lasting = self._lasting.union(self._secrets)

    def forget(self) -> None:
        """Forget the secrets noted since."""
        self._secrets.clear()

    def _shown_errors(self) -> Iterator[tuple[str, str]]:
        seen: dict[int, BaseException] = {}
        lines: set[tuple[str, int]] = set()  # errors of one test that are raised at the same line look alike
        waiting = list(self._errors)
        while waiting:
            error = waiting.pop()
            if id(error) in seen:
                continue
            seen[id(error)] = error
            kind = type(error).__name__
            yield f"text of {kind}", f"{_show(error)} {_show(error, str)}"
            yield f"attributes of {kind}", _show(vars(error))
            for frame, line in _frames(error.__traceback__):
                if (place := (frame.f_code.co_filename, line)) not in lines:
                    lines.add(place)
                    yield from _shown_locals(frame, line, kind)
            waiting += [e for e in (error.__cause__, error.__context__) if e is not None]
            waiting += error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        if not any(own in traceback.tb_frame.f_code.co_filename for own in OWN_FRAMES + SERVER_FRAMES):
            yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _shown_locals(frame: FrameType, line: int, kind: str) -> Iterator[tuple[str, str]]:
    for name, value in list(frame.f_locals.items()):
        yield f"local {name} of {frame.f_code.co_filename}:{line} under {kind}", _show(value)


def _show(value: object, how: Callable[[Any], str] = repr) -> str:
    try:
        return how(value)
    except Exception as error:  # noqa: BLE001 - a traceback shows as much of an object whose repr fails
        return f"{type(error).__name__}: {error}"


@functools.cache
def _quoted(secret: str) -> str:
    return quote_plus(secret, errors="surrogatepass")


def _around(spelling: str, text: str) -> str:
    """Return the text just before the secret, to tell what it is part of."""
    return text[max(0, text.index(spelling) - 60) : text.index(spelling)] + "<here>"


SCAN = Scan()


def _patch(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def _noting_secrets(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def noting(self: Secret, value: Any) -> None:
        try:
            init(self, value)
        finally:
            del value  # this frame is part of tracebacks too
        SCAN.note_secret(self.reveal())

    return noting


def _note_error(self: AiocdfError, /, *args: Any) -> None:
    super(AiocdfError, self).__init__(*args)
    SCAN.note_error(self)


def _noting_caught(leave: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(leave)
    def noting(self: Any, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        if error is not None:
            SCAN.note_error(error)
        return leave(self, kind, error, traceback)

    return noting


def _noting_holders(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def noting(self: Any, *args: Any, **options: Any) -> None:
        try:
            init(self, *args, **options)
        finally:
            del args, options
        SCAN.note_holder(self)

    return noting


_is_enabled_for, _handle = logging.Logger.isEnabledFor, logging.Logger.handle


def _note_and_handle(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Note every record, and hand on those that would have been made without the scan."""
    SCAN.note_record(record)
    if _is_enabled_for(logger, record.levelno):
        _handle(logger, record)


def install() -> None:
    """Begin to note."""
    _patch(Secret, "__init__", _noting_secrets)
    AiocdfError.__init__ = _note_error
    for owner in (RaisesExc, pytest.RaisesGroup):
        _patch(owner, "__exit__", _noting_caught)
    for holder in HOLDERS:
        _patch(holder, "__init__", _noting_holders)
    logging.Logger.isEnabledFor = lambda logger, level: True
    logging.Logger.handle = _note_and_handle


def pytest_collection_finish() -> None:
    """Keep the secrets of modules and parameters, which all tests of a module share."""
    SCAN.keep()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Look when a test and its fixtures have ended."""
    yield
    found = SCAN.look()
    if nextitem is None or nextitem.path != item.path:
        SCAN.forget()
    assert found == [], f"secrets are shown by {item.nodeid}:\n" + "\n".join(found)

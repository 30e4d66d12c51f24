from __future__ import annotations

import asyncio
import functools
import math
import pickle
import threading

import attrs
import pytest

from aiocdf.auth import BearerToken, TokenSource
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret


async def plain():
    return "t0ken"


def plain_later():
    return plain()


class Callable:
    async def __call__(self):
        return "t0ken"


@pytest.mark.parametrize("given", ["t0ken", Secret("t0ken")], ids=["text", "secret"])
async def test_text_lasts(given) -> None:
    """A token as text is used unchanged, for as long as the service accepts it."""
    token = await BearerToken(given).fetch(None)

    assert (token.secret, token.renew_after, token.stale_after) == (Secret("t0ken"), math.inf, math.inf)


@pytest.mark.parametrize(
    "function",
    [lambda: "t0ken", lambda: Secret("t0ken"), plain, plain_later, functools.partial(plain), Callable()],
    ids=["sync", "secret", "async", "sync that returns a coroutine", "partial", "callable object"],
)
async def test_functions(function) -> None:
    """Functions of each kind are called; a token without a lifetime is used for at most a minute."""
    token = await BearerToken(function).fetch(None)

    assert (token.secret, token.stale_after) == (Secret("t0ken"), 57.0)


@pytest.mark.parametrize("life", [600, "600.0", 600.0], ids=["int", "text", "float"])
async def test_function_that_tells_the_life(life) -> None:
    """A token with its life is used until shortly before its end."""
    token = await BearerToken(lambda: ("t0ken", life)).fetch(None)

    assert (token.renew_after, token.stale_after) == (540.0, 590.0)


async def test_plain_functions_run_in_a_thread() -> None:
    """A function that blocks does not block the event loop."""
    threads = []

    def function():
        threads.append(threading.current_thread())
        return "t0ken"

    await BearerToken(function).fetch(None)
    assert threads != [threading.main_thread()]


async def test_async_functions_run_on_the_loop() -> None:
    """An async function may use what lives on the client's event loop."""
    loops = []

    async def function():
        loops.append(asyncio.get_running_loop())
        return "t0ken"

    await BearerToken(function).fetch(None)
    assert loops == [asyncio.get_running_loop()]


def raising(error):
    def function():
        vault = "s3cr3t"
        raise error if vault else AssertionError

    return function


def raising_later(error):
    async def function():
        raising(error)()

    return function


@pytest.mark.parametrize("make", [raising, raising_later])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no\naccount"), "the token function raised ValueError: no account"),
        (TimeoutError("vault"), "the token function raised TimeoutError: vault"),
        (KeyError(), "the token function raised KeyError: no message"),
    ],
)
async def test_function_that_raises(make, error, message, shown) -> None:
    """Statement 17: what a function raises comes out by type and message, without its locals."""
    with pytest.raises(AuthError) as caught:
        await BearerToken(make(error)).fetch(None)

    assert str(caught.value) == message
    assert "s3cr3t" not in shown(caught.value)


async def test_function_that_runs_dry() -> None:
    """A StopIteration, which no future can have, is raised like any other error and not waited for."""
    with pytest.raises(AuthError, match="raised StopIteration"):
        await BearerToken(functools.partial(next, iter(()))).fetch(None)


@pytest.mark.looptime  # not on the others: virtual time does not wait for threads
async def test_function_that_never_returns() -> None:
    """A function gets a minute."""
    with pytest.raises(AuthError, match="more than 60 s"):
        await BearerToken(asyncio.Event().wait).fetch(None)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"t0ken",
        "",
        "Bearer t0ken",
        "t0ken\n",
        ("t0ken",),
        ("t0ken", 60, "more"),
        {"access_token": "t0ken"},
        ("t0ken", 0),
        ("t0ken", -1),
        ("t0ken", None),
        ("t0ken", "soon"),
        ("t0ken", 1_795_000_000),
    ],
    ids=lambda answer: f"{answer!r:.30}",
)
async def test_function_that_returns_no_token(answer, shown) -> None:
    """Statement 17: an invalid token or lifetime is an error that does not quote it."""
    with pytest.raises(AuthError, match="the token function must return") as caught:
        await BearerToken(lambda: answer).fetch(None)

    assert "t0ken" not in shown(caught.value)


@pytest.mark.parametrize("given", ["", "Bearer t0ken", "t0ken\r\n", "t0k\u00e9n", b"t0ken", ("t0ken", 60), None])
def test_neither_token_nor_function(given, shown) -> None:
    """Statement 17: what can be neither a token nor a function is refused at once and not quoted."""
    with pytest.raises(ConfigError, match="Give it as text, without 'Bearer'") as caught:
        BearerToken(given)

    assert "t0k" not in shown(caught.value)


def test_token_does_not_show() -> None:
    """Statement 16: repr, str, f-string, asdict and pickle of credentials hold no token."""
    made = BearerToken("t0ken")

    assert "t0ken" not in f"{made} {made!r} {made!s} {attrs.asdict(made)}"
    with pytest.raises(TypeError, match="pickling"):
        pickle.dumps(made)


def test_function_shows_by_name() -> None:
    """Statement 16: what a function was made with, which may be a secret, does not show."""
    made = BearerToken(functools.partial(raising, "s3cr3t"))

    assert f"{made} {BearerToken(plain)}" == "BearerToken(token=partial) BearerToken(token=plain)"


def test_sessions_exchange_the_token() -> None:
    """A bearer token has nothing to make a session with but itself."""
    assert BearerToken("t0ken").session_item() is None


def test_equal_tokens() -> None:
    """Credentials are values."""
    assert (BearerToken("t0ken"), hash(BearerToken("t0ken"))) == (BearerToken("t0ken"), hash(BearerToken("t0ken")))


@pytest.mark.looptime
async def test_function_that_quotes_a_token() -> None:
    """What a function raises is shown without the token that it gave before, and without anything like a JWT."""
    given = iter(["s3cr3t-old-token"])

    async def ask() -> str:
        for token in given:
            return token
        raise ValueError("s3cr3t-old-token was refused, and so was eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln")

    source = TokenSource(BearerToken(ask), None)
    await source.token()
    await asyncio.sleep(100)
    with pytest.raises(AuthError, match=r"ValueError: \*\*\* was refused, and so was \*\*\*$"):
        await source.token()

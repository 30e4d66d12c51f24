from __future__ import annotations

import copy
import inspect
import itertools
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import dataclass

import attrs
import pytest

from aiocdf.secret import Secret, hide_arguments


@attrs.frozen
class Login:
    user: str
    key: Secret


@dataclass
class Plain:
    key: Secret


SHOWN = "Secret('***')"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        pprint.pformat,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}",
        lambda secret: f"{secret!s}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - what logging does
        lambda secret: str([secret, {"key": secret}, (secret,)]),
        lambda secret: str(Login("me", secret)),
        lambda secret: str(attrs.asdict(Login("me", secret))),
        lambda secret: str(attrs.astuple(Login("me", secret))),
        lambda secret: str(Plain(secret)),
        lambda secret: str(getattr(secret, "__dict__", "")),
        lambda secret: str([getattr(secret, name) for name in type(secret).__slots__]),
        lambda secret: str(dir(secret)),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: str(ValueError(secret)),
    ],
    ids=map(str, itertools.count()),
)
def test_never_shown(show) -> None:
    """Whatever turns values into text shows stars."""
    assert "s3cr3t" not in show(Secret("s3cr3t"))


@pytest.mark.parametrize("show", [repr, str, lambda secret: f"{secret}"])
def test_what_is_shown(show) -> None:
    """It shows what it is, of an empty one as well: not even that there is nothing in it."""
    assert show(Secret("s3cr3t")) == show(Secret("")) == SHOWN


def test_logging(caplog) -> None:
    """Log records hold the wrapper, and their text shows stars."""
    logging.getLogger("test").warning("key %s in %r", Secret("s3cr3t"), {"key": Secret("s3cr3t")})

    assert caplog.messages == [f"key {SHOWN} in {{'key': {SHOWN}}}"]


def test_traceback_with_locals() -> None:
    """Statement 17: a traceback that shows local variables shows stars."""

    def fail(login: Login) -> None:
        key = login.key
        raise ValueError(key)

    with pytest.raises(ValueError, match=r"\*\*\*") as caught:
        fail(Login("me", Secret("s3" + "cr3t")))
    report = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())

    assert f"key = {SHOWN}" in report
    assert "s3cr3t" not in report


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle(protocol) -> None:
    """A secret does not leave the process, not even as part of another object; the error does not show it."""
    for value in (Secret("s3cr3t"), Login("me", Secret("s3cr3t"))):
        with pytest.raises(TypeError, match="pickling") as caught:
            pickle.dumps(value, protocol)
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copy(duplicate) -> None:
    """A copy within the process is the same secret, so that what holds one can be copied."""
    secret = Secret("s3cr3t")

    assert duplicate(secret) is secret
    assert duplicate(Login("me", secret)).key is secret


def test_reveal() -> None:
    """The text comes out by one name only."""
    assert Secret("s3cr3t").reveal() == "s3cr3t"
    assert Secret(Secret("s3cr3t")).reveal() == "s3cr3t"


def test_equal() -> None:
    """Secrets compare and hash by their text, and never equal a plain string."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_truth() -> None:
    """An empty secret counts as none."""
    assert Secret("x")
    assert not Secret("")


@pytest.mark.parametrize("value", [None, 7, b"s3cr3t", ["s3cr3t"], {"key": "s3cr3t"}])
def test_no_text(value) -> None:
    """Only text can be a secret; what was passed instead is in neither the message nor the locals of the frame."""
    with pytest.raises(TypeError, match=f"a secret must be a string, not {type(value).__name__}") as caught:
        Secret(value)
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack

    assert "s3cr3t" not in f"{caught.value}{[frame.locals for frame in stack if frame.name == '__init__']}"


def test_cannot_be_changed() -> None:
    """There is no other attribute to set."""
    with pytest.raises(AttributeError):
        Secret("s3cr3t").text = "x"


def test_hidden_arguments() -> None:
    """Statement 17: a function that hides its arguments raises the same error, without the frames that hold them."""

    @hide_arguments
    def refuse(text, *, key):
        try:
            return {}[key]
        except KeyError:
            raise ValueError("refused") from None

    with pytest.raises(ValueError, match="refused") as caught:
        refuse("s3cr3t", key="s3cr3t-too")

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "s3cr3t" not in "".join(str(frame.locals) for frame in report.stack if frame.name != "test_hidden_arguments")
    assert caught.value.__context__ is None


def test_hidden_arguments_of_a_success() -> None:
    """What a function returns is returned, and its name and signature stay."""

    @hide_arguments
    def double(number: int) -> int:
        return 2 * number

    assert (double(2), double.__name__, str(inspect.signature(double))) == (4, "double", "(number: 'int') -> 'int'")

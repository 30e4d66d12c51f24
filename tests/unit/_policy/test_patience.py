from __future__ import annotations

import math

import pytest

from aiocdf._policy.patience import Patience, passing, span
from aiocdf.errors import (
    AuthError,
    ConnectError,
    DecodeError,
    LoginRequired,
    NotFound,
    OAuthError,
    ProtocolError,
    ServerError,
    TransportTimeout,
)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (AuthError("no secret"), False),
        (AuthError("asleep", passing=True), True),
        (OAuthError("asleep", status=503), True),
        (ConnectError("refused"), True),
        (ConnectError("untrusted certificate", passing=False), False),
        (ProtocolError("broken"), True),
        (TransportTimeout("too long"), True),
        (ServerError("it failed", status=500), True),
        (NotFound("unknown", status=404), True),
        (DecodeError("no JSON", path="$"), True),
    ],
)
def test_passing(error, passes) -> None:
    """Only a wrong setting stays as it is: what the service, the network or a busy identity provider does may pass."""
    assert passing(error) is passes


@pytest.mark.parametrize(
    ("error", "suspicious"),
    [
        (AuthError("asleep", passing=True), True),
        (LoginRequired("sign in"), True),
        (OAuthError("asleep", status=503), False),
        (ConnectError("unknown host"), True),
        (DecodeError("a web page", path="$"), True),
        (TransportTimeout("too long"), False),
        (ProtocolError("broken"), False),
        (ServerError("it failed", status=503), False),
    ],
)
def test_first_contact(error, suspicious) -> None:
    """A host that is not there or does not speak JSON suggests a wrong address; an answer that it fails, an outage."""
    patience = Patience(usual=600.0, connect=10.0)
    assert patience.seconds(error) == (10.0 if suspicious else 600.0)

    patience.answered = True
    assert patience.seconds(error) == 600.0


@pytest.mark.parametrize(
    ("usual", "connect", "seconds"),
    [(None, 10.0, 10.0), (None, None, math.inf), (5.0, 10.0, 5.0), (600.0, None, 600.0)],
)
def test_the_shorter_patience_holds(usual, connect, seconds) -> None:
    """Before the first answer, the shorter of the two settings holds; None stands for no limit."""
    assert Patience(usual=usual, connect=connect).seconds(ConnectError("no route")) == seconds


@pytest.mark.parametrize(("seconds", "words"), [(10.4, "for at most 10 s"), (math.inf, "without limit")])
def test_span(seconds, words) -> None:
    """A span of time is said in words, also one without an end."""
    assert span(seconds) == words

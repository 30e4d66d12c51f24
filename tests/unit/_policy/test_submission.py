from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiocdf._policy.submission import RULES, Next, Step, Verdict, follows, judge
from aiocdf.errors import (
    AuthError,
    BadRequest,
    Conflict,
    ConnectError,
    DecodeError,
    FunctionNotReady,
    LoginRequired,
    NotFound,
    OAuthError,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    TransportTimeout,
    Unauthorized,
)

STARTED, AGAIN, REFUSED, TROUBLE, DOUBT = Verdict
SEND, RECOVER, END = Next

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "never-twice.md"

#: By the words of its rule: an example of an attempt's end, and what it means for the session and for the POST.
CASES = [
    ("no access token, for a reason that passes", AuthError("asleep", passing=True), TROUBLE, TROUBLE),
    ("no access token, for a reason that passes", OAuthError("asleep", status=503), TROUBLE, TROUBLE),
    ("no access token, for good", AuthError("no secret"), REFUSED, REFUSED),
    ("no access token, for good", LoginRequired("sign in"), REFUSED, REFUSED),
    ("no access token, for good", OAuthError("no such client", error="invalid_client", status=401), REFUSED, REFUSED),
    ("no connection", ConnectError("refused"), TROUBLE, TROUBLE),
    ("no connection, for good: certificate, address", ConnectError("untrusted", passing=False), REFUSED, REFUSED),
    ("401, 403, 409", Unauthorized("", status=401), REFUSED, REFUSED),
    ("401, 403, 409", PermissionDenied("", status=403), REFUSED, REFUSED),
    ("401, 403, 409", Conflict("", status=409), REFUSED, REFUSED),
    ("429", RateLimited("", status=429), AGAIN, AGAIN),
    ("429", RateLimited("", status=429, retryable=False, retry_after=9.0), AGAIN, AGAIN),
    ("400 that speaks of the nonce", BadRequest("", status=400, detail="Nonce has expired"), REFUSED, AGAIN),
    ("any other 3xx or 4xx", BadRequest("", status=400, detail="data is too large"), REFUSED, REFUSED),
    ("any other 3xx or 4xx", BadRequest("", status=302), REFUSED, REFUSED),
    ("any other 3xx or 4xx", FunctionNotReady("", status=400), REFUSED, REFUSED),
    ("any other 3xx or 4xx", NotFound("the nonce is not named", status=404, detail="no such nonce"), REFUSED, REFUSED),
    ("5xx that says that it may be sent again", ServerError("", status=503, retryable=True), TROUBLE, TROUBLE),
    *(
        ("any other 5xx, a timeout, a broken connection, an answer that is not readable", error, TROUBLE, DOUBT)
        for error in (
            ServerError("", status=502),
            ServerError("", status=500, retryable=False),
            TransportTimeout("too long"),
            ProtocolError("broken"),
            ProtocolError("broken", passing=False),
            DecodeError("no JSON", path="$"),
        )
    ),
]


def table():
    """The rows of the page's table, without its head."""
    rows = [re.split(r" *\| *", line.strip())[1:-1] for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return rows[0], rows[2:]


@pytest.mark.parametrize(("what", "error", "session", "post"), CASES)
def test_first_rule_that_fits_decides(what, error, session, post) -> None:
    """Each way in which an attempt ends has its rule, and one meaning for the session and one for the POST."""
    assert next(rule for rule in RULES if rule.fits(error)).what == what
    assert judge(error, Step.SESSION) is session
    assert judge(error, Step.POST) is post


def test_every_rule_has_an_example() -> None:
    """No rule stands here untested, and none can never be reached."""
    assert [rule.what for rule in RULES] == list(dict.fromkeys(what for what, *_ in CASES))


def test_a_session_never_leaves_doubt() -> None:
    """Making a session starts no call, however it ends."""
    assert DOUBT not in {rule.session for rule in RULES}


def test_last_rule_fits_everything() -> None:
    """What nobody thought of leaves doubt if it happened to a POST, for that is the careful answer."""
    assert judge(Exception("unheard of"), Step.POST) is DOUBT
    assert judge(Exception("unheard of"), Step.SESSION) is TROUBLE


RATE = RateLimited("", status=429)
NONCE = BadRequest("", status=400, detail="nonce expired")
FAULT = ServerError("", status=500)


@pytest.mark.parametrize(
    ("verdict", "error", "repeatable", "own_nonce", "attempts", "following"),
    [
        # In doubt: only what may run twice is sent again, and only so often; for the rest it is found out what the POST did.
        (DOUBT, FAULT, False, False, 1, RECOVER),
        (DOUBT, FAULT, False, False, 1000, RECOVER),
        (DOUBT, FAULT, False, True, 1, RECOVER),
        (DOUBT, FAULT, True, False, 1, SEND),
        (DOUBT, FAULT, True, False, 2, SEND),
        (DOUBT, FAULT, True, False, 3, END),
        (DOUBT, FAULT, True, True, 1, SEND),
        # Turned away: as often as it takes, whoever the nonce is from, for it was not spent.
        (AGAIN, RATE, False, False, 1, SEND),
        (AGAIN, RATE, False, False, 1000, SEND),
        (AGAIN, RATE, False, True, 1000, SEND),
        # The nonce was bad: another, if there is one, and only so often.
        (AGAIN, NONCE, False, False, 1, SEND),
        (AGAIN, NONCE, False, False, 2, SEND),
        (AGAIN, NONCE, False, False, 3, END),
        (AGAIN, NONCE, True, True, 1, END),
        # Trouble started nothing and is not the call's own: how long it is waited out, others decide.
        (TROUBLE, FAULT, False, False, 0, SEND),
        (TROUBLE, FAULT, False, False, 1000, SEND),
        (TROUBLE, FAULT, False, True, 1, SEND),
        # A refusal is final, and so is a start.
        (REFUSED, NONCE, True, False, 0, END),
        (STARTED, RATE, True, False, 0, END),
    ],
)
def test_follows(verdict, error, *, repeatable, own_nonce, attempts, following) -> None:
    """Whether there is another attempt, of three, by the verdict on the last and by what the caller allows."""
    limits = {"attempts": attempts, "most": 3, "repeatable": repeatable, "own_nonce": own_nonce}
    assert follows(verdict, error, in_doubt=False, **limits) is following


@pytest.mark.parametrize(
    ("verdict", "error", "following"),
    [
        (DOUBT, FAULT, RECOVER),
        # Perhaps the first POST bound the nonce.
        (AGAIN, NONCE, RECOVER),
        # The first may be refused as well, or it has started the call.
        (REFUSED, NotFound("", status=404), RECOVER),
        (AGAIN, RATE, SEND),
        (TROUBLE, FAULT, SEND),
        # Nothing can be asked without a token.
        (REFUSED, AuthError("no secret"), END),
    ],
)
def test_follows_in_doubt(verdict, error, following) -> None:
    """An answer to a nonce that was sent before says nothing of the POST that sent it first."""
    limits = {"attempts": 1, "most": 3, "repeatable": False, "own_nonce": False}
    assert follows(verdict, error, in_doubt=True, **limits) is following


def test_explanation_shows_the_rules() -> None:
    """The table under "Never twice" has the rules, row by row, in the order in which they are tried."""
    head, rows = table()

    assert head == ["what happened", "while the session is created", "after the POST"]
    assert rows == [[rule.what, rule.session.value, rule.post.value] for rule in RULES]

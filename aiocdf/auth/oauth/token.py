"""An access token with its age, and the reading of a token endpoint's response."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf._wire.http import is_html, one_line
from aiocdf._wire.problems import RESTARTED
from aiocdf.errors import OAuthError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf._wire.http import Response

__all__ = ["AccessToken", "clean", "is_sendable", "json_object", "read_seconds", "read_token_response", "refusal"]

#: Seconds that a token is used when its issuer does not say for how long it is good.
_ASSUMED_LIFE = 300.0
# RFC 6750 section 2.1 allows less, but issuers know best; what matters is that it stays one word of a header.
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_SUCCESS = range(200, 300)
_NO_ENDPOINT = "Check that token_url is of an OAuth 2.0 token endpoint."
#: A loopback address in the name of a request.
_LOCAL = re.compile(r"//(?:127\.|(?:localhost|\[::1\])[:/])")
_ADVICE = {
    "invalid_client": "Check client_id and client_secret, and that the secret has not expired.",
    "unauthorized_client": "Allow this application this kind of sign-in at the identity provider.",
    "invalid_scope": "Check scopes.",
    "invalid_target": "Check audience and resource.",
    "unsupported_grant_type": _NO_ENDPOINT,
    "expired_token": "The code was not entered in time: try again.",
    "access_denied": "Check that the identity provider allows this application the audience and the scopes.",
}


@attrs.frozen(kw_only=True)
class AccessToken:
    """An access token and how long it is good for."""

    secret: Secret
    #: Loop time and wall time in seconds, just before the token was asked for.
    asked_at: float
    asked_at_wall: float
    #: Age in seconds from which a new one is fetched ahead of need.
    renew_after: float = math.inf
    #: Age in seconds from which it is not used any more.
    stale_after: float = math.inf
    #: Age in seconds at which it expires.
    life: float = math.inf
    #: What gets the next one, where a user signed in and the provider gave one.
    refresh_token: Secret | None = None

    @classmethod
    def lasting(
        cls,
        secret: Secret,
        life: float,
        *,
        asked_at: float,
        asked_at_wall: float,
        renew_in: float | None = None,
        refresh_token: Secret | None = None,
    ) -> AccessToken:
        """Make one that lives *life* seconds, with margins that scale so that short lives work too.

        Args:
            secret: The token.
            life: Seconds from *asked_at* to its expiry.
            asked_at: Loop time in seconds, just before it was asked for.
            asked_at_wall: Wall time in seconds at the same moment.
            renew_in: Seconds after which its issuer wants it renewed, if it says so.
            refresh_token: What gets the next one.
        """
        stale_after = life - min(10.0, 0.05 * life)
        margin = min(60.0, 0.25 * life)
        # However early its issuer wants it renewed, not with each call.
        renew_after = life - margin if renew_in is None else max(renew_in, margin)
        return cls(
            secret=secret,
            asked_at=asked_at,
            asked_at_wall=asked_at_wall,
            renew_after=min(renew_after, stale_after),
            stale_after=stale_after,
            life=life,
            refresh_token=refresh_token,
        )

    def age(self, now: float, wall: float) -> float:
        """Return its age in seconds by the clock that saw more: one stops while a laptop sleeps, the other jumps."""
        return max(now - self.asked_at, wall - self.asked_at_wall)

    @property
    def expires_at(self) -> float:
        """Seconds since 1970 at which it expires; infinity where that is not known."""
        return self.asked_at_wall + self.life


def read_token_response(
    response: Response, *, what: str, asked_at_wall: float, proven: bool = False
) -> AccessToken | OAuthError:
    """Read a token endpoint's answer (RFC 6749 sections 5.1 and 5.2).

    An error is returned, not raised: its traceback must not hold this function's locals, which have the token.

    Args:
        response: The answer, whatever its status; a token is taken with any status of success.
        what: What was asked for, for the error's message.
        asked_at_wall: Wall time in seconds, just before the request was sent.
        proven: The endpoint has given tokens before, so that the trouble passes if a page came in place of its answer.
    """
    answer = json_object(response.body)
    if response.status not in _SUCCESS or answer.get("error"):
        error = refusal(response.status, answer, what, came=_came(response))
    elif fault := _fault(answer) if answer else f"is {_came(response)} instead of a JSON object with a token":
        error = OAuthError(f"{what}: the answer {fault}. {_NO_ENDPOINT}", status=response.status)
    else:
        return _access_token(answer, response.sent_at, asked_at_wall)
    error.passing = error.passing or (proven and not answer and response.body.strip() != b"")
    return error


def _access_token(answer: Mapping[str, Any], asked_at: float, asked_at_wall: float) -> AccessToken:
    """Take the token from an answer without a fault."""
    refresh_token = answer.get("refresh_token")
    return AccessToken.lasting(
        Secret(answer["access_token"]),
        read_seconds(answer.get("expires_in")) or _ASSUMED_LIFE,
        asked_at=asked_at,
        asked_at_wall=asked_at_wall,
        renew_in=read_seconds(answer.get("refresh_in")),
        refresh_token=Secret(refresh_token) if isinstance(refresh_token, str) and refresh_token else None,
    )


def _fault(answer: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an answer of success, by the name of the member; its value may be a token."""
    token, kind, life = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
    if token is None:
        return "has no access_token"
    if not isinstance(token, str) or not is_sendable(token):
        return "has an access_token that is not one word of visible ASCII"
    if kind is None:
        return "has no token_type, which must be Bearer"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "has a token_type other than Bearer"
    if (seconds := _number(life)) is not None and seconds <= 0:
        return "has an expires_in of 0 or below: the token had expired when it came"
    return None


def _came(response: Response) -> str:
    """Say what came in place of an OAuth answer."""
    if is_html(response):
        return "an HTML page"
    if not response.body.strip():
        return "empty"
    try:
        json.loads(response.body, parse_int=float)
    except RecursionError:
        return "JSON that is nested too deeply"
    except ValueError:
        return "text that is not JSON"
    return "other JSON"


def read_seconds(value: object) -> float | None:
    """Return a positive, finite number of seconds from what issuers send as one; None for all else."""
    seconds = _number(value)
    return seconds if seconds is not None and 0 < seconds < math.inf else None


def _number(value: object) -> float | None:
    """Return a number from what issuers send as one; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def is_sendable(token: str) -> bool:
    """Tell whether the token can stand in a header: one word of visible ASCII."""
    return _SENDABLE.fullmatch(token) is not None


def clean(text: object) -> str | None:
    """Return another party's text as one short line without control characters; None if there is none."""
    return (one_line(text) or None) if isinstance(text, str) else None


def json_object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object in *body*, or an empty one; its numbers are floats, so that none is too long."""
    try:
        answer = json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def refusal(
    status: int, answer: Mapping[str, Any], what: str, *, advice: str | None = None, came: str | None = None
) -> OAuthError:
    """Say what the provider refused and what to do about it.

    Args:
        status: The HTTP status.
        answer: The JSON object in the answer, or an empty one.
        what: What was asked for.
        advice: What to do, unless the error code or the status tells.
        came: What kind of answer came, where it is none of OAuth.
    """
    error, description = clean(answer.get("error")), clean(answer.get("error_description"))
    reason = " - ".join(part for part in (error, description) if part) or _unexplained(came)
    todo = _ADVICE.get(error or "", _advice(status, advice))
    if _LOCAL.search(what) and todo == _ADVICE["invalid_client"]:
        todo += f" {RESTARTED}"
    return OAuthError(
        f"{what}: refused with HTTP {status}: {reason}. {todo}", error=error, description=description, status=status
    )


def _unexplained(came: str | None) -> str:
    """Say that there is no error code, and who may have answered."""
    if came in (None, "empty"):
        return "no OAuth error code in the answer"
    return f"no OAuth error code, but {came}: a web page or a gateway answered in place of the identity provider"


def _advice(status: int, advice: str | None) -> str:
    """Say what to do when there is no error code that tells."""
    match status:
        case 429:
            return "The identity provider asks for fewer requests: try again later."
        case _ if status >= 500:
            return "The identity provider is failing: try again later."
        case _ if advice:
            return advice
        case 401 | 403:  # some providers answer a wrong secret so, with an empty body
            return _ADVICE["invalid_client"]
        case _ if 300 <= status < 400:
            return "Redirects are not followed, for they would take the secret along: set token_url to its target."
        case _:
            return "Check token_url, client_id and scopes."

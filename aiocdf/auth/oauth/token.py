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

#: The assumed lifetime of a token in seconds if its issuer does not say.
_ASSUMED_LIFE = 300.0
# RFC 6750 section 2.1 allows fewer characters, but it is enough that the token is one word of a header.
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
    """An access token and its lifetime."""

    secret: Secret
    #: Loop time and wall time in seconds, just before the token was requested.
    asked_at: float
    asked_at_wall: float
    #: Age in seconds from which a new one is fetched in the background.
    renew_after: float = math.inf
    #: Age in seconds from which it is not used any more.
    stale_after: float = math.inf
    #: Age in seconds at which it expires.
    life: float = math.inf
    #: The refresh token, if a user signed in and the provider issued one.
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
        """Make a token that lives *life* seconds, with margins that scale with its life.

        Args:
            secret: The token.
            life: Seconds from *asked_at* to its expiry.
            asked_at: Loop time in seconds, just before it was requested.
            asked_at_wall: Wall time in seconds at the same moment.
            renew_in: Seconds after which its issuer wants it renewed; None if it does not say.
            refresh_token: The refresh token, if there is one.
        """
        stale_after = life - min(10.0, 0.05 * life)
        margin = min(60.0, 0.25 * life)
        # Never renew with each call, however early the issuer wants it.
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
        """Return the larger of two ages in seconds: one clock stops while a laptop sleeps, the other may be set back."""
        return max(now - self.asked_at, wall - self.asked_at_wall)

    @property
    def expires_at(self) -> float:
        """Seconds since 1970 at which it expires; infinity if unknown."""
        return self.asked_at_wall + self.life


def read_token_response(
    response: Response, *, what: str, asked_at_wall: float, proven: bool = False
) -> AccessToken | OAuthError:
    """Read a token endpoint's answer (RFC 6749 sections 5.1 and 5.2).

    An error is returned, not raised: the locals here hold the token, and must not be in a traceback.

    Args:
        response: The answer, with any status; a token is accepted with any success status.
        what: What was requested, for the error's message.
        asked_at_wall: Wall time in seconds, just before the request was sent.
        proven: The endpoint has issued tokens before, so an HTML page instead of its answer is temporary trouble.
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
    """Return what is wrong with a success answer, without values, which may be tokens; None if nothing is."""
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
    """Return what came instead of an OAuth answer."""
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
    """Return a positive, finite number of seconds from a value in an answer; None for anything else."""
    seconds = _number(value)
    return seconds if seconds is not None and 0 < seconds < math.inf else None


def _number(value: object) -> float | None:
    """Return a number from a value in an answer, which may be text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def is_sendable(token: str) -> bool:
    """Return whether the token is valid in a header: one word of visible ASCII."""
    return _SENDABLE.fullmatch(token) is not None


def clean(text: object) -> str | None:
    """Return foreign text as one short line without control characters; None if it has none."""
    return (one_line(text) or None) if isinstance(text, str) else None


def json_object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object in *body*, or an empty one; numbers are floats, so none has too many digits."""
    try:
        answer = json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def refusal(
    status: int, answer: Mapping[str, Any], what: str, *, advice: str | None = None, came: str | None = None
) -> OAuthError:
    """Return the error for a refusal: what the provider refused, and what to do.

    Args:
        status: The HTTP status.
        answer: The JSON object in the answer, or an empty one.
        what: What was requested.
        advice: What to do if neither error code nor status shows it.
        came: What kind of answer came, if it is not an OAuth answer.
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
    """Return the reason of a refusal without an error code."""
    if came in (None, "empty"):
        return "no OAuth error code in the answer"
    return f"no OAuth error code, but {came}: a web page or a gateway answered instead of the identity provider"


def _advice(status: int, advice: str | None) -> str:
    """Return what to do if no error code shows it."""
    match status:
        case 429:
            return "The identity provider limits the request rate: try again later."
        case _ if status >= 500:
            return "The identity provider is failing: try again later."
        case _ if advice:
            return advice
        case 401 | 403:  # some providers answer a wrong secret this way, with an empty body
            return _ADVICE["invalid_client"]
        case _ if 300 <= status < 400:
            return "Redirects are not followed, because they would receive the secret: set token_url to its target."
        case _:
            return "Check token_url, client_id and scopes."

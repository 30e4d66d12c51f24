"""Reading the authorization response, which the redirect of the browser carries in its query."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiocdf._wire.redaction import redact_error
from aiocdf.auth.oauth.token import clean
from aiocdf.errors import OAuthError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.auth.oauth.provider import Provider

__all__ = ["read_redirect"]


def read_redirect(query: str, *, state: str, provider: Provider) -> Secret | OAuthError | None:
    """Read the query of a redirect (RFC 6749 sections 4.1.2 and 4.1.2.1).

    Args:
        query: What the redirect has behind its question mark.
        state: The state of this client's request.
        provider: Whom it should come from.

    Returns:
        The code; the error of this sign-in; or None if the redirect belongs to another sign-in.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return None
    answer = dict(pairs)
    if len(answer) != len(pairs) or not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
        return None
    outcome = _mix_up(answer, provider) or _code(answer)
    return redact_error(outcome, [Secret(state)]) if isinstance(outcome, OAuthError) else outcome


def _mix_up(answer: Mapping[str, str], provider: Provider) -> OAuthError | None:
    """Reject an answer from another provider (RFC 9207 section 2.4)."""
    name = answer.get("iss")
    if name is None and not provider.names_itself:
        return None
    if provider.issuer is None or name == provider.issuer:
        return None
    return OAuthError(
        f"the answer to the sign-in is from {clean(name) or 'an unnamed provider'}, not from {provider.issuer}. Do not sign in there again."
    )


def _code(answer: Mapping[str, str]) -> Secret | OAuthError:
    if "error" in answer:
        error, description = clean(answer["error"]), clean(answer.get("error_description"))
        reason = " - ".join(part for part in (error, description) if part)
        return OAuthError(f"the sign-in was refused: {reason}.", error=error, description=description)
    if not answer.get("code"):
        return OAuthError("the answer to the sign-in holds neither a code nor an error.")
    return Secret(answer["code"])

"""The user's answer on a sign-in page, and the consent that results from it."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from aiocdf.local.identity.attempts import TooManyAttempts
from aiocdf.local.identity.oauth import grants_api_access, read_form
from aiocdf.local.identity.pages import PageProblem
from aiocdf.local.state.records import Consent, User
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiohttp import web

    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.records import OAuthClient

__all__ = ["Answer", "make_consent", "read_answer", "too_early"]


class Answer(Enum):
    """The answers other than a successful sign-in."""

    REFUSED = auto()
    WRONG_PASSWORD = auto()


async def read_answer(request: web.Request, issuer: Issuer) -> User | Answer:
    """Return the user who signed in with this form, or another answer."""
    form = await read_form(request)
    if form.get("decision") == "refuse":
        return Answer.REFUSED
    try:
        return issuer.sign_in(form.get("user", ""), Secret(form.get("password", ""))) or Answer.WRONG_PASSWORD
    except TooManyAttempts as error:
        raise too_early("passwords", error) from error


def too_early(what: str, error: TooManyAttempts) -> PageProblem:
    """Return the page for users who have to wait before the next attempt."""
    problem = PageProblem(429, f"There were too many wrong {what}. Go back and try again in {error.seconds} s.")
    problem.headers["Retry-After"] = str(error.seconds)
    return problem


def make_consent(
    client: OAuthClient, user: User, scopes: tuple[str, ...], url: str, nonce: str | None = None
) -> Consent:
    """Return a user's consent to a client. It has the capabilities that both the user and the client have."""
    capabilities = client.capabilities & user.capabilities if grants_api_access(scopes, url) else frozenset[str]()
    return Consent(
        client_id=client.client_id,
        user=user.name,
        capabilities=capabilities,
        scopes=scopes,
        signed_in=int(time.time()),
        nonce=nonce,
    )

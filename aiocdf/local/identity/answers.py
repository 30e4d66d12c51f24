"""The user's answer on a sign-in page, and the consent that comes from it."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from aiocdf.local.identity.oauth import grants_api_access, read_form
from aiocdf.local.identity.pages import PageProblem
from aiocdf.local.state.records import Consent, User
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiohttp import web

    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.records import OAuthClient

__all__ = ["Answer", "make_consent", "read_answer"]


class Answer(Enum):
    """What a user may answer instead of signing in."""

    REFUSED = auto()
    WRONG_PASSWORD = auto()


async def read_answer(request: web.Request, issuer: Issuer) -> User | Answer:
    """Return who signs in by this form, or what else it says."""
    if not _sent_from_here(request):
        raise PageProblem(403, "This form was sent by a page of another site.")
    form = await read_form(request)
    if form.get("decision") == "refuse":
        return Answer.REFUSED
    return issuer.sign_in(form.get("user", ""), Secret(form.get("password", ""))) or Answer.WRONG_PASSWORD


def make_consent(
    client: OAuthClient, user: User, scopes: tuple[str, ...], url: str, nonce: str | None = None
) -> Consent:
    """Return a user's consent to a client, which allows what both the user and the client may do."""
    capabilities = client.capabilities & user.capabilities if grants_api_access(scopes, url) else frozenset[str]()
    return Consent(
        client_id=client.client_id,
        user=user.name,
        capabilities=capabilities,
        scopes=scopes,
        signed_in=int(time.time()),
        nonce=nonce,
    )


def _sent_from_here(request: web.Request) -> bool:
    """Tell whether a form comes from a page of this server, or from no browser at all: those say where from."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    return origin in {None, f"{request.scheme}://{request.host}"}

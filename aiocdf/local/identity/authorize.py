"""The authorization endpoint: a user signs in and allows a client to act for them (RFC 6749, section 4.1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import attrs
from aiohttp import web

from aiocdf.local.http.application import Route
from aiocdf.local.http.problems import Problem
from aiocdf.local.identity import pages
from aiocdf.local.identity.answers import Answer, make_consent, read_answer
from aiocdf.local.identity.codes import AuthorizationCode, is_challenge
from aiocdf.local.identity.oauth import AUTHORIZE_PATH, OAuthProblem, read_parameters, read_scopes, required
from aiocdf.local.identity.pages import PageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiocdf.local.identity.codes import CodeRegistry
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import OAuthClient, User

__all__ = ["AuthorizationEndpoint"]


@attrs.frozen
class RedirectTarget:
    """The redirect URI of an authorization request. The browser takes the response there.

    Args:
        redirect_uri: The URL of the client.
        state: The value by which the client recognizes the response to its request.
        issuer: The name of this identity provider.
    """

    redirect_uri: str
    state: str | None
    issuer: str

    def respond(self, answer: Mapping[str, object]) -> web.Response:
        """Return the redirect with this answer and the issuer's name (RFC 9207)."""
        state = {} if self.state is None else {"state": self.state}
        query = urlencode({**answer, **state, "iss": self.issuer})
        separator = "&" if "?" in self.redirect_uri else "?"
        headers = {
            "Location": f"{self.redirect_uri}{separator}{query}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        # With 303, browsers do not send the password to the client.
        return web.Response(status=303, headers=headers)


class ReturnedProblem(Problem):
    """An error that the redirect reports to the client (RFC 6749, section 4.1.2.1)."""

    def __init__(self, target: RedirectTarget, problem: OAuthProblem) -> None:
        super().__init__(303, str(problem))
        self.answer: web.Response = target.respond(problem.error)

    def response(self) -> web.Response:
        """Return the response."""
        return self.answer


@attrs.frozen(kw_only=True)
class AuthorizationRequest:
    """A client's request for a user's consent (RFC 6749, section 4.1.1)."""

    client: OAuthClient
    target: RedirectTarget
    scopes: tuple[str, ...]
    challenge: str
    nonce: str | None


@attrs.frozen(kw_only=True)
class AuthorizationEndpoint:
    """The endpoint `/oauth2/authorize`.

    The page sends its form to its own URL, with the request in the query. So the server stores nothing about a
    sign-in before it is complete, and one browser can have many sign-ins at the same time.
    """

    issuer: Issuer
    codes: CodeRegistry
    limits: Limits
    project: str
    url: str

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("GET", AUTHORIZE_PATH, self.show, None)
        yield Route("POST", AUTHORIZE_PATH, self.decide, None)

    async def show(self, request: web.Request) -> web.Response:
        """Show the sign-in page."""
        return self._page(self._read(request), wrong=False)

    async def decide(self, request: web.Request) -> web.Response:
        """Redirect the user's answer to the client."""
        authorization = self._read(request)
        match await read_answer(request, self.issuer):
            case Answer.WRONG_PASSWORD:
                return self._page(authorization, wrong=True)
            case Answer.REFUSED:
                raise ReturnedProblem(authorization.target, OAuthProblem(403, "access_denied", "The user refused"))
            case user:
                return authorization.target.respond({"code": self._code(authorization, user)})

    def _page(self, authorization: AuthorizationRequest, *, wrong: bool) -> web.Response:
        address = urlsplit(authorization.target.redirect_uri).netloc
        return pages.sign_in(authorization.client.client_id, self.project, address=address, wrong=wrong)

    def _code(self, authorization: AuthorizationRequest, user: User) -> str:
        now = time.time()
        code = AuthorizationCode(
            consent=make_consent(authorization.client, user, authorization.scopes, self.url, authorization.nonce),
            redirect_uri=authorization.target.redirect_uri,
            challenge=authorization.challenge,
            expires=now + self.limits.code_seconds,
        )
        return self.codes.add(code, now).reveal()

    def _read(self, request: web.Request) -> AuthorizationRequest:
        """Read the authorization request. Check the client and the redirect URI first: other errors go to that URI."""
        try:
            parameters = read_parameters(request.rel_url.raw_query_string)
        except OAuthProblem as problem:
            raise PageProblem(
                400, "The URL has a parameter twice. Start the sign-in again from the program."
            ) from problem
        client = self.issuer.client(parameters.get("client_id", ""))
        if client is None:
            raise PageProblem(400, "The client_id in the URL is unknown. Check the client id of the program.")
        target = RedirectTarget(parameters.get("redirect_uri", ""), parameters.get("state"), self.url)
        if not client.may_return_to(target.redirect_uri):
            raise PageProblem(
                400,
                "The redirect_uri in the URL is unknown. Add it to the redirect_uris of the program's OAuthClient.",
            )
        try:
            _check(parameters)
            scopes = read_scopes(parameters.get("scope"), client, self.url)
        except OAuthProblem as problem:
            raise ReturnedProblem(target, problem) from problem
        return AuthorizationRequest(
            client=client,
            target=target,
            scopes=scopes,
            challenge=parameters["code_challenge"],
            nonce=parameters.get("nonce"),
        )


def _check(parameters: dict[str, str]) -> None:
    """Check the parameters of a request.

    Raises:
        OAuthProblem: A parameter is not supported or not secure.
    """
    if required(parameters, "response_type") != "code":
        raise OAuthProblem(400, "unsupported_response_type", "response_type must be code")
    if parameters.get("response_mode", "query") != "query":
        raise OAuthProblem(400, "invalid_request", "response_mode must be query")
    if not is_challenge(required(parameters, "code_challenge")):
        raise OAuthProblem(400, "invalid_request", "code_challenge must be a SHA-256 hash in 43 characters")
    if parameters.get("code_challenge_method") != "S256":
        raise OAuthProblem(400, "invalid_request", "code_challenge_method must be S256")
    if "none" in parameters.get("prompt", "").split():
        raise OAuthProblem(400, "login_required", "Users have to sign in each time: leave out prompt=none")

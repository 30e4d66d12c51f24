"""A person's sign-in in the browser."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urlsplit

import attrs

from aiocdf.auth.credentials.presets import entra_authority, entra_urls
from aiocdf.auth.credentials.user_credentials import UserCredentials
from aiocdf.auth.credentials.validation import shown_function
from aiocdf.auth.oauth.loopback import Loopback
from aiocdf.auth.oauth.prompt import notify, open_browser, print_url
from aiocdf.auth.oauth.redirect import read_redirect
from aiocdf.auth.oauth.sending import TIME_LIMIT, send_token_request
from aiocdf.auth.oauth.token import read_token_response
from aiocdf.config import base_url_of, check_url, shown_url
from aiocdf.errors import ConfigError, OAuthError
from aiocdf.secret import Secret, hide_arguments, safe_to_show

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiocdf._http.transport import Transport
    from aiocdf.auth.oauth.provider import Provider
    from aiocdf.auth.oauth.token import AccessToken

__all__ = ["AuthorizationCode"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@safe_to_show
@attrs.frozen(kw_only=True)
class AuthorizationCode(UserCredentials):
    """A person's sign-in in the browser of this computer (RFC 6749 section 4.1, with the proof of RFC 7636).

    The browser opens with the first request, or with `client.login()`. In addition to the arguments of `UserCredentials`:

    Args:
        authorize_url: The page to sign in at, if no issuer is given.
        redirect_uri: Where the browser is redirected, as registered at the provider: a loopback address;
            without a port, any free one is taken.
        open_browser: Whether to open the browser; if not, or if none is installed, only `show_url` is called.
        show_url: Called, or awaited, with the page's address; prints it by default.

    Raises:
        ConfigError: An argument is missing, or must not be sent, or not safely.
    """

    authorize_url: str | None = attrs.field(default=None, repr=shown_url)
    redirect_uri: str = attrs.field(default="http://127.0.0.1/callback", repr=shown_url)
    open_browser: bool = True
    show_url: Callable[[str], object] = attrs.field(default=print_url, repr=shown_function)

    _begins_at: ClassVar[str] = "authorize_url"

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, and less clearly."""
        super().__attrs_post_init__()
        check_url(self.redirect_uri, what="redirect_uri")
        parts = urlsplit(self.redirect_uri)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
            raise ConfigError(
                f"redirect_uri {shown_url(self.redirect_uri)} is not a loopback address, such as"
                " http://127.0.0.1/callback or http://localhost:53000."
            )

    @classmethod
    @hide_arguments
    def entra(cls, *, tenant: str, client_id: str, cluster: str, **more: Any) -> Self:
        """Make credentials of a user in Microsoft Entra ID.

        Args:
            tenant: The directory's id or domain.
            client_id: The id of an application that has `http://localhost:53000` among its redirect URIs.
            cluster: The Cognite cluster, such as `westeurope-1` or `api`.
            more: Further arguments, or others than the usual ones.
        """
        urls, base_url = entra_urls(entra_authority(tenant)), base_url_of(cluster)
        usual = {
            "authorize_url": urls.authorize_url,
            "token_url": urls.token_url,
            "service": base_url,
            "scopes": (f"{base_url}/.default", "offline_access"),
            "redirect_uri": "http://localhost:53000",
        }
        return cls(client_id=client_id, **usual | more)

    async def _sign_in(self, provider: Provider, transport: Transport) -> AccessToken:
        """Send the user to the provider, and trade the code that comes back."""
        from aiocdf.auth.oauth.requests import token_request  # as late as everywhere

        if provider.authorize_url is None or not provider.takes_s256:
            raise OAuthError(f"{provider.issuer} offers no sign-in in a browser with a code challenge by S256.")
        verifier = Secret(secrets.token_urlsafe(48))
        code, redirect_uri = await self._authorize(provider, verifier)
        if isinstance(code, OAuthError):
            raise code  # here, where no local holds the state
        request = token_request(
            provider.token_url,
            self._client,
            grant_type="authorization_code",
            code=code,
            secrets={"code_verifier": verifier},
            more=[("redirect_uri", redirect_uri), *self._targets()],
        )
        # A code is good for one attempt.
        return await send_token_request(request, transport, read_token_response, attempts=1, first_limit=TIME_LIMIT)

    async def _authorize(self, provider: Provider, verifier: Secret) -> tuple[Secret | OAuthError, str]:
        """Get the authorization code, or what went wrong; and the redirect URI that it belongs to."""
        from aiocdf.auth.oauth.requests import authorization_url  # as late as everywhere

        state = secrets.token_urlsafe(32)
        async with Loopback(
            self.redirect_uri, lambda query: read_redirect(query, state=state, provider=provider)
        ) as loopback:
            url = authorization_url(
                provider.authorize_url or "",
                self._client,
                redirect_uri=loopback.redirect_uri,
                scope=" ".join(self.scopes),
                state=state,
                verifier=verifier,
                more=[*self._targets(), *self.extra.items()],
            )
            return await self._ask_user(url, loopback.outcome), loopback.redirect_uri

    async def _ask_user(self, url: str, outcome: asyncio.Future[Secret | OAuthError]) -> Secret | OAuthError:
        """Show the page, and wait for the redirect."""
        showing = asyncio.get_running_loop().create_task(self._show(url))
        try:
            either: set[asyncio.Future[Any]] = {showing, outcome}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not outcome.done():
                await showing
            return await outcome
        finally:
            showing.cancel()
            await asyncio.wait({showing})

    async def _show(self, url: str) -> None:
        if not (self.open_browser and await open_browser(url)):
            await notify(self.show_url, url)

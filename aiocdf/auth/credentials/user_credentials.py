"""The common part of all credentials with which a person signs in."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

from aiocdf import _clock
from aiocdf.auth._finish import finished
from aiocdf.auth.credentials.presets import COGNITE_ISSUER
from aiocdf.auth.credentials.validation import as_mapping, check_client_id, check_extra, check_targets, split_names
from aiocdf.auth.oauth.provider import Provider, discover, issuer_of
from aiocdf.auth.oauth.sending import TIME_LIMIT, send_token_request
from aiocdf.auth.oauth.token import read_token_response, refusal
from aiocdf.auth.store.base import MemoryTokenStore, TokenStore
from aiocdf.auth.store.stored_sign_in import StoredSignIn
from aiocdf.config import above_zero, check_url, shown_url
from aiocdf.errors import AuthError, ConfigError, LoginRequired, OAuthError
from aiocdf.secret import safe_to_show

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Response
    from aiocdf.auth.oauth.requests import ClientIdentity
    from aiocdf.auth.oauth.token import AccessToken

__all__ = ["UserCredentials"]

#: What providers answer when only the user can help.
_OVER = frozenset(
    {"invalid_grant", "account_selection_required", "consent_required", "interaction_required", "login_required"}
)
#: Parameters of a sign-in that have their own arguments, or that users must not set.
_OWN_FIELDS = frozenset(
    {
        "audience",
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "redirect_uri",
        "resource",
        "response_type",
        "scope",
        "state",
    }
)


@safe_to_show
@attrs.frozen(kw_only=True)
class UserCredentials:
    """A person's sign-in: made once, kept in a token store, and renewed as long as the provider lets it.

    This is the common part; make an `AuthorizationCode` or a `DeviceCode`.

    Args:
        client_id: The application's id at the identity provider; it needs no secret.
        issuer: The provider's name, such as `https://login.example.com`, from which all addresses are read. Or give them:
        token_url: The token endpoint.
        revoke_url: Where sign-ins are ended; None for a provider that has no such thing.
        scopes: The scopes to request: an iterable, or a text with spaces or commas between them. Most providers want
            `offline_access` among them to renew the sign-in.
        audience: The service that the token is for; some providers require it (such as Auth0).
        resource: The same in the words of RFC 8707: one or more URIs.
        extra: Further parameters of the sign-in, such as `{"login_hint": "me@example.com"}`.
        service: The address of the service that the tokens are for; sign-ins for different services are kept apart.
        store: Where the sign-in is kept; by default in memory, as long as these credentials live.
        time_limit: Seconds that the user may take.
        ask_user: Whether the user may be asked to sign in; if not, `LoginRequired` is raised, for programs without a user.
    """

    client_id: str
    issuer: str | None = attrs.field(default=None, converter=attrs.converters.optional(issuer_of), repr=shown_url)
    token_url: str | None = attrs.field(default=None, repr=shown_url)
    revoke_url: str | None = attrs.field(default=None, repr=shown_url)
    scopes: tuple[str, ...] = attrs.field(default=(), converter=split_names)
    audience: str | None = None
    resource: tuple[str, ...] = attrs.field(default=(), converter=split_names)
    extra: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    service: str | None = attrs.field(default=None, repr=shown_url)
    store: TokenStore = attrs.field(factory=MemoryTokenStore)
    time_limit: float = attrs.field(default=300.0, validator=above_zero)
    ask_user: bool = True

    #: The field with the address at which a sign-in of this kind begins.
    _begins_at: ClassVar[str]

    @classmethod
    def cognite(cls, *, client_id: str, **more: Any) -> Self:
        """Make credentials of a user at Cognite's own identity provider.

        Args:
            client_id: The application's id.
            more: Further arguments.
        """
        return cls(client_id=client_id, issuer=COGNITE_ISSUER, **more)

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, and less clearly."""
        check_client_id(self.client_id)
        check_targets(scopes=self.scopes, audience=self.audience, resource=self.resource)
        check_extra(as_mapping(self.extra, what="extra"), own=_OWN_FIELDS)
        if isinstance(self.store, type) or not isinstance(self.store, TokenStore):
            raise ConfigError(
                "store is not a token store. Give one, such as FileTokenStore(), KeyringTokenStore() or"
                " MemoryTokenStore()."
            )
        names = ("issuer", "service", "token_url", self._begins_at, "revoke_url")
        given = {name: url for name in names if (url := getattr(self, name)) is not None}
        for name, url in given.items():
            check_url(url, what=name, query=name not in {"issuer", "service"})
        if given.keys() - {"service", "revoke_url"} not in ({"issuer"}, {"token_url", self._begins_at}):
            raise ConfigError(f"give either issuer, or token_url and {self._begins_at}.")

    async def fetch(self, transport: Transport, old: AccessToken | None = None) -> AccessToken:
        """Return the stored token, renew it, or ask the user to sign in.

        The user is asked only for the first token of a client: at a later renewal the user may have left.

        Raises:
            LoginRequired: The sign-in is over, or was not completed in time.
            OAuthError: The provider refused.
            AuthError: The provider could not be reached, or the sign-in could not be kept.
        """
        kept = await self._load()
        if kept is not None and _serves(kept.token, old):
            return kept.token
        try:
            return await self._renew(transport, old)
        except LoginRequired:
            if old is not None or not self.ask_user:
                raise
        return await self._sign_in_and_keep(transport)

    async def logout(self, transport: Transport) -> None:
        """End the sign-in here, and at the provider if it supports that (RFC 7009).

        Raises:
            AuthError: The provider could not be reached; on this computer the sign-in has ended all the same.
        """
        async with self.store.lock(self._key):
            kept = await self._load()
            await self.store.delete(self._key)
        if kept is not None and kept.token.refresh_token is not None:
            await self._revoke(kept, transport)

    def session_item(self) -> None:
        """Return None: there is nothing to hand over but the token itself."""

    async def _sign_in(self, provider: Provider, transport: Transport) -> AccessToken:
        """Ask the user to sign in."""
        raise NotImplementedError

    async def _sign_in_and_keep(self, transport: Transport) -> AccessToken:
        provider = await self._provider(transport)
        try:
            async with asyncio.timeout(self.time_limit) as limit:
                token = await self._sign_in(provider, transport)
        except TimeoutError:
            if not limit.expired():
                raise
            raise LoginRequired(f"the sign-in was not completed within {self.time_limit:g} s: try again.") from None
        return await finished(self._keep_first(token, provider))

    async def _keep_first(self, token: AccessToken, provider: Provider) -> AccessToken:
        async with self.store.lock(self._key):
            return await self._keep(token, provider.token_url)

    async def _keep(self, token: AccessToken, token_url: str) -> AccessToken:
        """Save the token, and return it as it is kept."""
        if token.refresh_token is None:  # without a refresh token it is not renewable ahead of time
            token = attrs.evolve(token, renew_after=token.stale_after)
        await self.store.save(self._key, StoredSignIn(token=token, token_url=token_url).text())
        return token

    async def _renew(self, transport: Transport, old: AccessToken | None) -> AccessToken:
        """Exchange the refresh token for new tokens, unless another client that shares the store just did."""
        refused: OAuthError | None = None
        async with self.store.lock(self._key):
            tried = None
            while (kept := await self._load()) is not None:
                if _serves(kept.token, old):
                    return kept.token
                if kept.token.refresh_token == tried:
                    break
                tried = kept.token.refresh_token
                answer = await finished(self._exchange(kept, transport))
                if not isinstance(answer, OAuthError):
                    return answer
                refused = answer
            if refused is not None:
                await self.store.delete(self._key)
        raise LoginRequired(
            f"client {self.client_id!r} has no sign-in that can be renewed. Sign in again: with `aiocdf login`, or with"
            " `await client.login()`."
        ) from refused

    async def _exchange(self, kept: StoredSignIn, transport: Transport) -> AccessToken | OAuthError:
        """Request new tokens and keep them; a refusal that only a new sign-in can solve is returned."""
        from aiocdf.auth.oauth.requests import token_request  # as late as everywhere: Authlib takes its time to import

        assert kept.token.refresh_token is not None  # noqa: S101 - or there would have been nothing to try
        request = token_request(
            kept.token_url,
            self._client,
            grant_type="refresh_token",
            secrets={"refresh_token": kept.token.refresh_token},
            more=self._targets(),
        )
        try:
            # Two attempts: one whose answer was lost may have used the refresh token, and more would not help.
            token = await send_token_request(request, transport, _read_renewal, attempts=2, first_limit=TIME_LIMIT)
        except OAuthError as error:
            if error.error in _OVER:
                return error
            raise _that_ends_nothing(error) from error.__cause__
        return await self._keep(
            attrs.evolve(token, refresh_token=token.refresh_token or kept.token.refresh_token), kept.token_url
        )

    async def _revoke(self, kept: StoredSignIn, transport: Transport) -> None:
        from aiocdf.auth.oauth.requests import revocation_request  # see above

        revoke_url = self.revoke_url or (await self._provider(transport)).revoke_url
        if revoke_url is not None and kept.token.refresh_token is not None:
            request = revocation_request(revoke_url, self._client, refresh_token=kept.token.refresh_token)
            await send_token_request(request, transport, _read_revocation)

    async def _provider(self, transport: Transport) -> Provider:
        """Return the addresses, as given or as discovered."""
        if self.issuer is not None:
            return await discover(self.issuer, transport)
        assert self.token_url is not None  # noqa: S101 - checked when these credentials were made
        begins_at = {self._begins_at: getattr(self, self._begins_at)}
        return Provider(token_url=self.token_url, revoke_url=self.revoke_url, **begins_at)

    async def _load(self) -> StoredSignIn | None:
        """Return the stored sign-in, if it is of this provider."""
        text = await self.store.load(self._key)
        kept = StoredSignIn.read(text) if text else None
        return None if kept is None or self.token_url not in {None, kept.token_url} else kept

    @property
    def _client(self) -> ClientIdentity:
        from aiocdf.auth.oauth.requests import ClientIdentity  # see above

        return ClientIdentity(client_id=self.client_id)

    def _targets(self) -> list[tuple[str, str]]:
        """Return the form fields for audience and resource."""
        audience = [("audience", self.audience)] if self.audience else []
        return [*audience, *(("resource", uri) for uri in self.resource)]

    @property
    def _key(self) -> str:
        """Return the key in the token store: the same for all who sign in for the same."""
        service = self.service and check_url(self.service, what="service")
        provider = self.issuer or self.token_url
        what = (service, provider, self.client_id, sorted(self.scopes), self.audience, self.resource)
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _serves(token: AccessToken, old: AccessToken | None) -> bool:
    """Return whether a token is valid and differs from the one to replace."""
    is_old = old is not None and old.secret == token.secret
    return not is_old and token.age(_clock.monotonic(), _clock.wall()) < token.renew_after


def _read_renewal(response: Response, *, what: str, asked_at_wall: float) -> AccessToken | OAuthError:
    """Read the answer to a refresh token from an endpoint that has issued tokens before."""
    if response.status == 400 and not response.body.strip():  # glewlwyd's answer to a used refresh token
        return refusal(response.status, {"error": "invalid_grant"}, what)
    return read_token_response(response, what=what, asked_at_wall=asked_at_wall, proven=True)


def _that_ends_nothing(error: OAuthError) -> OAuthError:
    """Add to an error that the sign-in is kept; if the provider gave no reason, another attempt may succeed."""
    kept = copy.copy(error)
    kept.args = (f"{error} The sign-in is kept.",)
    kept.passing = error.passing or error.error is None
    return kept


def _read_revocation(response: Response, *, what: str, asked_at_wall: float) -> AuthError | None:  # noqa: ARG001 - has no age
    return None if response.status == 200 else refusal(response.status, {}, what)

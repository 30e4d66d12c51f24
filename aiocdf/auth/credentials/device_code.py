"""A person's sign-in on another device."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import attrs

from aiocdf import _clock
from aiocdf.auth.credentials.presets import ENTRA_DEVICE_CLIENT, entra_authority, entra_urls
from aiocdf.auth.credentials.user_credentials import UserCredentials
from aiocdf.auth.credentials.validation import shown_function
from aiocdf.auth.oauth.prompt import DevicePrompt, notify, print_prompt
from aiocdf.auth.oauth.sending import TIME_LIMIT, send_token_request
from aiocdf.auth.oauth.token import clean, json_object, read_seconds, read_token_response, refusal
from aiocdf.config import base_url_of, shown_url
from aiocdf.errors import AuthError, LoginRequired, OAuthError
from aiocdf.secret import Secret, hide_arguments, safe_to_show

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request, Response
    from aiocdf.auth.oauth.provider import Provider
    from aiocdf.auth.oauth.token import AccessToken

__all__ = ["DeviceCode"]

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
#: Seconds between two token requests if the provider does not say, and the increase after a `slow_down`.
_INTERVAL, _SLOW_DOWN = 5.0, 5.0
#: The lifetime of a code in seconds if the provider does not say.
_LIFE = 900.0


@attrs.frozen(kw_only=True)
class _DeviceAuthorization:
    """The device authorization response: it is exchanged for tokens after the user has entered the code."""

    device_code: Secret
    prompt: DevicePrompt
    interval: float
    #: Loop time in seconds at which the code expires.
    good_until: float


@safe_to_show
@attrs.frozen(kw_only=True)
class DeviceCode(UserCredentials):
    """A person's sign-in on another device, such as a phone, by a short code (RFC 8628).

    The code is shown with the first request, or with `client.login()`. In addition to the arguments of `UserCredentials`:

    Args:
        device_url: The device authorization endpoint, if no issuer is given.
        prompt: Called, or awaited, with a `DevicePrompt`; prints it by default. Waiting begins when it returns.

    Raises:
        ConfigError: An argument is missing, or must not be sent, or not safely.
    """

    device_url: str | None = attrs.field(default=None, repr=shown_url)
    prompt: Callable[[DevicePrompt], object] = attrs.field(default=print_prompt, repr=shown_function)

    _begins_at: ClassVar[str] = "device_url"

    @classmethod
    @hide_arguments
    def entra(cls, *, tenant: str, cluster: str, client_id: str = ENTRA_DEVICE_CLIENT, **more: Any) -> Self:
        """Make credentials of a user in Microsoft Entra ID.

        Args:
            tenant: The directory's id or domain.
            cluster: The Cognite cluster, such as `westeurope-1` or `api`.
            client_id: The application's id; by default, the one of Cognite's own tools.
            more: Further arguments, or others than the usual ones.
        """
        urls, base_url = entra_urls(entra_authority(tenant)), base_url_of(cluster)
        usual = {
            "device_url": urls.device_url,
            "token_url": urls.token_url,
            "service": base_url,
            "scopes": (f"{base_url}/IDENTITY", f"{base_url}/user_impersonation", "offline_access"),
        }
        return cls(client_id=client_id, **usual | more)

    async def _sign_in(self, provider: Provider, transport: Transport) -> AccessToken:
        """Show a code, and poll the provider until the user has entered it."""
        from aiocdf.auth.oauth.requests import device_authorization_request, token_request  # as late as everywhere

        if provider.device_url is None:
            raise OAuthError(f"{provider.issuer} offers no sign-in with a device code.")
        more = [*self._targets(), *self.extra.items()]
        request = device_authorization_request(
            provider.device_url, self._client, scope=" ".join(self.scopes), more=more
        )
        authorization = await send_token_request(request, transport, _read_authorization)
        await notify(self.prompt, authorization.prompt)
        request = token_request(
            provider.token_url, self._client, grant_type=_GRANT_TYPE, secrets={"device_code": authorization.device_code}
        )
        return await _poll(request, transport, authorization)


async def _poll(request: Request, transport: Transport, authorization: _DeviceAuthorization) -> AccessToken:
    """Request the token until the user is done (RFC 8628 section 3.5)."""
    interval = authorization.interval
    while _clock.monotonic() + interval < authorization.good_until:
        await _clock.sleep(interval)
        try:
            return await send_token_request(request, transport, read_token_response, attempts=1, first_limit=TIME_LIMIT)
        except AuthError as error:
            if isinstance(error, OAuthError) and error.error == "access_denied":
                raise _denial(error) from None
            longer = _longer(interval, error)
            if longer is None:
                raise
            interval = longer
    raise LoginRequired(f"the code was not entered within {authorization.prompt.expires_in:g} s: try again.")


def _denial(error: OAuthError) -> OAuthError:
    """Explain a refusal where, unlike with other token requests, a user may be the one who said no."""
    reason = " - ".join(part for part in (error.error, error.description) if part)
    return OAuthError(
        f"the sign-in was refused: {reason}. The user, or a rule at the identity provider, said no.",
        error=error.error,
        description=error.description,
        status=error.status,
    )


def _longer(interval: float, error: AuthError) -> float | None:
    """Return the seconds to wait before the next request, given the last answer; None to stop."""
    if not isinstance(error, OAuthError) or error.status == 429 or (error.status or 0) >= 500:
        return 2.0 * interval  # no answer, or none that is about the sign-in
    match error.error:
        case "authorization_pending":
            return interval
        case "slow_down":
            return interval + _SLOW_DOWN
        case _:
            return None


def _read_authorization(response: Response, *, what: str, asked_at_wall: float) -> _DeviceAuthorization | AuthError:  # noqa: ARG001 - loop time does
    """Read the answer of the device authorization endpoint (RFC 8628 section 3.2)."""
    answer = json_object(response.body)
    device_code, user_code = answer.get("device_code"), clean(answer.get("user_code"))
    uri = clean(answer.get("verification_uri") or answer.get("verification_url"))  # the latter from Google
    if response.status != 200 or not isinstance(device_code, str) or not user_code or not uri:
        return refusal(response.status, answer, what)
    life = read_seconds(answer.get("expires_in")) or _LIFE
    return _DeviceAuthorization(
        device_code=Secret(device_code),
        prompt=DevicePrompt(
            user_code=user_code,
            verification_uri=uri,
            verification_uri_complete=clean(answer.get("verification_uri_complete")),
            expires_in=life,
        ),
        interval=read_seconds(answer.get("interval")) or _INTERVAL,
        good_until=response.sent_at + life,
    )

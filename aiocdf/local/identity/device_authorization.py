"""The device authorization grant: a user allows a client on a device without a browser to act (RFC 8628)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs
from aiohttp import web

from aiocdf.local.http.application import Route
from aiocdf.local.identity import pages
from aiocdf.local.identity.answers import Answer, make_consent, read_answer, too_early
from aiocdf.local.identity.attempts import Attempts, TooManyAttempts
from aiocdf.local.identity.devices import Device
from aiocdf.local.identity.oauth import (
    DEVICE_AUTHORIZATION_PATH,
    DEVICE_PATH,
    NO_STORE,
    authenticate_client,
    read_form,
    read_scopes,
)
from aiocdf.local.identity.pages import PageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.identity.devices import DeviceRegistry
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.limits import Limits

__all__ = ["DeviceEndpoints"]


@attrs.frozen(kw_only=True)
class DeviceEndpoints:
    """The endpoint for devices, and the pages for their users."""

    issuer: Issuer
    devices: DeviceRegistry
    limits: Limits
    project: str
    url: str
    _guesses: Attempts = attrs.field(factory=lambda: Attempts(10, 5.0), init=False, repr=False)

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", DEVICE_AUTHORIZATION_PATH, self.authorize, None)
        yield Route("GET", DEVICE_PATH, self.show, None)
        yield Route("POST", DEVICE_PATH, self.decide, None)

    async def authorize(self, request: web.Request) -> web.Response:
        """Return a user code to show, and a device code for polling the token endpoint."""
        form = await read_form(request)
        client = authenticate_client(request, form, self.issuer)
        now = time.time()
        device = Device(
            client=client,
            scopes=read_scopes(form.get("scope"), client, self.url),
            interval=self.limits.device_interval,
            expires=now + self.limits.device_seconds,
        )
        secret = self.devices.add(device, now)
        page = self.url + DEVICE_PATH
        answer = {
            "device_code": secret.reveal(),
            "user_code": device.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': device.user_code})}",
            "expires_in": int(self.limits.device_seconds),
            "interval": self.limits.device_interval,
        }
        return web.json_response(answer, headers=NO_STORE)

    async def show(self, request: web.Request) -> web.Response:
        """Show the page for the user code, or the sign-in page if the URL has the code."""
        if "user_code" not in request.query:
            return pages.ask_for_code(wrong=False)
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            raise PageProblem(403, "This request came from another site. Open this page from your device's link.")
        device = self._waiting(request)
        return self._page(device, wrong=False) if device else pages.ask_for_code(wrong=True)

    async def decide(self, request: web.Request) -> web.Response:
        """Record the user's answer. The device gets it with its next poll."""
        answer = await read_answer(request, self.issuer)
        device = self._waiting(request)
        if device is None:
            return pages.ask_for_code(wrong=True)
        match answer:
            case Answer.WRONG_PASSWORD:
                return self._page(device, wrong=True)
            case Answer.REFUSED:
                device.refused = True
                return pages.message("Refused", "The device may not act for you. You can close this page.")
            case user:
                device.consent = make_consent(device.client, user, device.scopes, self.url)
                return pages.message("Signed in", "Continue on your device. You can close this page.")

    def _waiting(self, request: web.Request) -> Device | None:
        """Return the device whose code the user entered. Wrong codes are limited (RFC 8628, section 5.1)."""
        now = time.monotonic()
        try:
            self._guesses.check("", now)
        except TooManyAttempts as error:
            raise too_early("codes", error) from error
        device = self.devices.waiting(request.query.get("user_code", ""), time.time())
        if device is None:
            # A right code does not reset the count of wrong ones: an attacker may have a device, and so a right code.
            self._guesses.failed("", now)
        return device

    def _page(self, device: Device, *, wrong: bool) -> web.Response:
        return pages.allow_device(device.client.client_id, self.project, code=device.user_code, wrong=wrong)

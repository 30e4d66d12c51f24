"""The devices that wait for their users' consent (RFC 8628)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import attrs

from aiocdf.local.identity.issuer import digest, random_secret

if TYPE_CHECKING:
    from aiocdf.local.state.records import Consent, OAuthClient
    from aiocdf.secret import Secret

__all__ = ["ERRORS", "Device", "DeviceRegistry"]

# No vowels, so that no code is a word, and nothing that looks like something else (RFC 8628, section 6.1).
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
SLOWER_SECONDS = 5
#: A loop of requests cannot fill the memory: beyond so many, the oldest are forgotten.
MOST_DEVICES = 1_000

# What a poll is answered with while there is nothing to give (RFC 8628, section 3.5).
ERRORS = {
    "authorization_pending": "The user has not answered yet",
    "slow_down": f"Wait {SLOWER_SECONDS} seconds longer between two polls",
    "access_denied": "The user refused",
    "expired_token": "The user did not answer in time",
}


def _user_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


@attrs.define(kw_only=True)
class Device:
    """A device that waits.

    Args:
        client: The program on it.
        scopes: What it asks for.
        interval: Seconds that it has to wait between two polls.
        expires: When it has waited long enough, in epoch seconds.
        user_code: What its user types in.
        consent: The user's consent, once it is given.
        refused: Whether the user said no.
    """

    client: OAuthClient
    scopes: tuple[str, ...]
    interval: int
    expires: float
    user_code: str = attrs.field(factory=_user_code, init=False, repr=False)
    consent: Consent | None = None
    refused: bool = False
    _next_poll: float = attrs.field(default=0.0, init=False)

    def poll(self, now: float) -> Consent | str:
        """Return the consent, or which of `ERRORS` to answer with."""
        early, self._next_poll = now < self._next_poll, now + self.interval
        if now >= self.expires:
            return "expired_token"
        if self.refused:
            return "access_denied"
        if early:
            self.interval += SLOWER_SECONDS
            self._next_poll += SLOWER_SECONDS
            return "slow_down"
        return self.consent or "authorization_pending"

    def waits(self, now: float) -> bool:
        """Tell whether its user has yet to decide."""
        return now < self.expires and self.consent is None and not self.refused


@attrs.define
class DeviceRegistry:
    """The devices that wait, and some that did; the latest `MOST_DEVICES` of them."""

    _devices: dict[bytes, Device] = attrs.field(factory=dict, init=False, repr=False)

    def add(self, device: Device, now: float) -> Secret:
        """Return the secret by which a new device asks on, and forget those that must have given up."""
        self._devices = {key: other for key, other in self._devices.items() if now < other.expires + 600}
        while len(self._devices) >= MOST_DEVICES:
            del self._devices[next(iter(self._devices))]
        secret = random_secret()
        self._devices[digest(secret)] = device
        return secret

    def find(self, secret: Secret) -> Device | None:
        """Return the device with this secret."""
        return self._devices.get(digest(secret))

    def remove(self, secret: Secret) -> None:
        """Forget a device, which has its answer."""
        self._devices.pop(digest(secret), None)

    def waiting(self, typed: str, now: float) -> Device | None:
        """Return the device that waits with the code that a user typed, in whatever case and with whatever dashes."""
        letters = "".join(letter for letter in typed.upper() if letter in ALPHABET)
        matching = (device for device in self._devices.values() if device.user_code.replace("-", "") == letters)
        return next((device for device in matching if device.waits(now)), None)

"""The devices that wait for consent of their users (RFC 8628)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import attrs

from aiocdf.local.identity.issuer import digest, random_secret

if TYPE_CHECKING:
    from aiocdf.local.state.records import Consent, OAuthClient
    from aiocdf.secret import Secret

__all__ = ["ERRORS", "Device", "DeviceRegistry"]

# No vowels, so that codes are not words, and no characters that look alike (RFC 8628, section 6.1).
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
SLOWER_SECONDS = 5
#: The maximum number of devices, so that requests in a loop do not fill the memory. The oldest are dropped.
MOST_DEVICES = 1_000

# The errors that a poll gets if there are no tokens for it (RFC 8628, section 3.5).
ERRORS = {
    "authorization_pending": "The user has not answered yet: poll again",
    "slow_down": f"Wait {SLOWER_SECONDS} seconds longer between two polls",
    "access_denied": "The user refused",
    "expired_token": "The user did not answer in time: request a new code",
}


def _user_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


@attrs.define(kw_only=True)
class Device:
    """A device that waits for consent.

    Args:
        client: The client on the device.
        scopes: The scopes that it requests.
        interval: The minimum number of seconds between two polls.
        expires: When its codes expire, in epoch seconds.
        user_code: The code that its user enters.
        consent: The user's consent; None until the user allows the client.
        refused: Whether the user refused.
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
        """Return the consent, or a key of `ERRORS`."""
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
        """Return whether the device still waits for its user."""
        return now < self.expires and self.consent is None and not self.refused


@attrs.define
class DeviceRegistry:
    """The last `MOST_DEVICES` devices, including those with an answer or expired codes."""

    _devices: dict[bytes, Device] = attrs.field(factory=dict, init=False, repr=False)

    def add(self, device: Device, now: float) -> Secret:
        """Add a device and return its device code. Remove the devices that have expired."""
        self._devices = {key: other for key, other in self._devices.items() if now < other.expires + 600}
        while len(self._devices) >= MOST_DEVICES:
            del self._devices[next(iter(self._devices))]
        secret = random_secret()
        self._devices[digest(secret)] = device
        return secret

    def find(self, secret: Secret) -> Device | None:
        """Return the device with this device code; None if it is unknown."""
        return self._devices.get(digest(secret))

    def remove(self, secret: Secret) -> None:
        """Remove a device that has received its answer."""
        self._devices.pop(digest(secret), None)

    def waiting(self, typed: str, now: float) -> Device | None:
        """Return the waiting device with this user code, or None. Case and hyphens of the code do not matter."""
        letters = "".join(letter for letter in typed.upper() if letter in ALPHABET)
        matching = (device for device in self._devices.values() if device.user_code.replace("-", "") == letters)
        return next((device for device in matching if device.waits(now)), None)

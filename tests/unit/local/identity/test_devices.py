from __future__ import annotations

import pytest

from aiocdf.local.identity.devices import Device, DeviceRegistry
from aiocdf.local.state.records import Consent, OAuthClient

CLIENT = OAuthClient(client_id="app", client_secret=None)
CONSENT = Consent(client_id="app", user="demo", capabilities=frozenset(), scopes=(), signed_in=0)


def device(**changes):
    return Device(**({"client": CLIENT, "scopes": (), "interval": 5, "expires": 600.0} | changes))


def test_patient_device():
    """A device that keeps its interval gets `authorization_pending` until its user decides, then the consent."""
    waiting = device()
    assert [waiting.poll(now) for now in (0.0, 5.0, 10.0)] == ["authorization_pending"] * 3
    waiting.consent = CONSENT
    assert waiting.poll(15.0) == CONSENT


def test_hasty_device():
    """Each early poll makes the interval five seconds longer (RFC 8628, section 3.5)."""
    waiting = device()
    polls = {0.0: "authorization_pending", 4.9: "slow_down", 14.8: "slow_down", 29.8: "authorization_pending"}
    assert {now: waiting.poll(now) for now in polls} == polls
    assert waiting.interval == 15


@pytest.mark.parametrize(
    ("changes", "now", "error"),
    [
        ({"refused": True}, 0.0, "access_denied"),
        ({}, 600.0, "expired_token"),
        ({"consent": CONSENT}, 600.0, "expired_token"),
        ({"refused": True}, 600.0, "expired_token"),
    ],
)
def test_end_of_waiting(changes, now, error):
    """A device gets an error for a refusal and for expired codes. The latter takes precedence."""
    assert device(**changes).poll(now) == error


def test_codes_are_typed_by_people():
    """User codes are eight letters that form no words. Case and hyphens do not matter."""
    devices, waiting = DeviceRegistry(), device()
    devices.add(waiting, 0.0)
    assert not set(waiting.user_code) & set("AEIOUY0123456789")
    assert devices.waiting(f" {waiting.user_code.lower().replace('-', '--')}", 1.0) is waiting
    assert devices.waiting("", 1.0) is None
    assert devices.waiting(waiting.user_code, 600.0) is None


def test_forgetting():
    """Devices are kept for some time after they expired, so that their polls get the right error."""
    devices = DeviceRegistry()
    first = devices.add(device(), 0.0)
    devices.add(device(expires=1700.0), 1100.0)
    assert devices.find(first) is not None
    devices.add(device(expires=1900.0), 1300.0)
    assert devices.find(first) is None

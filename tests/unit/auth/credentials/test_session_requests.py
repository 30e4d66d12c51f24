from __future__ import annotations

import pytest

from aiocdf.auth import BearerToken, ClientCredentials, session_requests
from aiocdf.config import Settings
from aiocdf.errors import ConfigError

APPLICATION = ClientCredentials(token_url="https://idp.test/token", client_id="app", client_secret="s3cr3t")
USER = BearerToken("t0ken")
EXCHANGE, ONESHOT = {"tokenExchange": True}, {"oneshotTokenExchange": True}
OWN = APPLICATION.session_item()


@pytest.mark.parametrize(
    ("credentials", "chosen", "items"),
    [
        (APPLICATION, None, (OWN,)),
        (APPLICATION, "client_credentials", (OWN,)),
        (APPLICATION, "token_exchange", (EXCHANGE,)),
        (APPLICATION, "oneshot_token_exchange", (ONESHOT,)),
        (USER, None, (EXCHANGE, ONESHOT)),
        (USER, "token_exchange", (EXCHANGE,)),
        (USER, "oneshot_token_exchange", (ONESHOT,)),
    ],
)
def test_grants(credentials, chosen, items) -> None:
    """Sessions match the credential: an application's own secret, a user's token with a fallback; or what was chosen."""
    assert session_requests(credentials, chosen) == items


def test_nothing_to_hand_over() -> None:
    """Who chooses the client's secret must have one."""
    with pytest.raises(ConfigError, match="have no client secret to hand over"):
        session_requests(USER, "client_credentials")


@pytest.mark.parametrize("grant", ["tokenExchange", "", 1, ["token_exchange"]])
def test_unknown_grant(grant) -> None:
    """An invalid setting is rejected with the valid ones."""
    with pytest.raises(ConfigError, match="setting session_grant must be one of client_credentials, token_exchange, "):
        Settings(session_grant=grant)

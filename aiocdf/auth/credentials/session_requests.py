"""Items for `POST /sessions`: how a client requests the sessions that its function calls need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiocdf.auth.credentials.protocol import Credentials
    from aiocdf.config import SessionGrant

__all__ = ["lasting_grant", "session_requests"]

_TOKEN_EXCHANGES = {"token_exchange": {"tokenExchange": True}, "oneshot_token_exchange": {"oneshotTokenExchange": True}}


def lasting_grant(credentials: Credentials, chosen: SessionGrant | None) -> SessionGrant:
    """Return the grant for a session that outlives the client's access token, unless another one was chosen.

    Args:
        credentials: What the client has.
        chosen: The setting; None for the best that there is.
    """
    return chosen or ("token_exchange" if credentials.session_item() is None else "client_credentials")


def session_requests(credentials: Credentials, chosen: SessionGrant | None) -> Sequence[Mapping[str, Any]]:
    """Return the items for `POST /sessions` that are worth trying, the best first.

    Args:
        credentials: What the client has.
        chosen: The setting; None for the best that there is.

    Raises:
        ConfigError: The credentials do not allow the one that was chosen.
    """
    own = credentials.session_item()
    if chosen in _TOKEN_EXCHANGES:
        return (_TOKEN_EXCHANGES[chosen],)
    if own is not None:
        return (own,)
    if chosen is not None:
        raise ConfigError(f"these credentials have no client secret to hand over, which session_grant {chosen!r} needs")
    return tuple(_TOKEN_EXCHANGES.values())

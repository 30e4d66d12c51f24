"""A nonce for each attempt to start a call, made when it is needed: it lives about a minute (API: Sessions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiocdf.resources.sessions import Sessions
    from aiocdf.secret import Secret

__all__ = ["Nonces"]


class Nonces:
    """Makes sessions for their nonces.

    Args:
        sessions: The resource.
        grants: What a session may be asked for with, the best first; one that the service refuses is not tried again
            once another has worked.
    """

    def __init__(self, sessions: Sessions, grants: Sequence[Mapping[str, Any]]) -> None:
        self._sessions = sessions
        self._grants = list(grants)

    async def fresh(self) -> Secret:
        """Return the nonce of a new session.

        Raises:
            AiocdfError: No session was to be had.
        """
        refused: BadRequest | None = None
        for grant in list(self._grants):
            try:
                session = await self._sessions.create(grant)
            except BadRequest as error:
                refused = error
                continue
            self._grants = [grant]
            assert session.nonce is not None  # noqa: S101 - the resource has looked
            return session.nonce
        assert refused is not None  # noqa: S101 - there is always a grant
        raise refused

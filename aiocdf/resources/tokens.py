"""Access tokens (API: Token)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._wire.json import json_request, read_value
from aiocdf.models.tokens import TokenInspection

if TYPE_CHECKING:
    from aiocdf._http.sender import Sender

__all__ = ["Tokens"]


class Tokens:
    """Inspects the client's access token.

    Args:
        sender: Sends the requests.
        base_url: The service's address. The endpoint is not below a project.
    """

    def __init__(self, sender: Sender, base_url: str) -> None:
        self._sender = sender
        self._url = f"{base_url}/api/v1/token"

    async def inspect(self) -> TokenInspection:
        """Return who the token was issued to, and what it allows in which projects.

        Raises:
            Unauthorized: The service rejects the token.
        """
        request = json_request("inspect the access token", "GET", f"{self._url}/inspect")
        return read_value(request, await self._sender.send(request), TokenInspection)

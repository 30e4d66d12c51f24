"""Opens a client on a given transport."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from trouble.service import BASE_URL, PROJECT, TOKEN_URL

from aiocdf import Client, ClientCredentials, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trouble.service import Line


@asynccontextmanager
async def open_client(transport: Line, **settings: Any) -> AsyncIterator[Client]:
    """Open a client that sends on *transport*.

    Args:
        transport: The transport of its requests.
        settings: The client's settings.
    """
    credentials = ClientCredentials(token_url=TOKEN_URL, client_id="outages", client_secret="simulated")
    async with Client(
        PROJECT, credentials=credentials, base_url=BASE_URL, settings=Settings(**settings), transport=transport
    ) as client:
        yield client

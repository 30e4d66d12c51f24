"""An open client whose connections are somebody else's."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from trouble.service import BASE_URL, PROJECT, TOKEN_URL

from aiocdf import Client, ClientCredentials, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trouble.service import Line


@asynccontextmanager
async def open_client(transport: Line, **settings: Any) -> AsyncIterator[Client]:
    """Open a client that sends on *transport*.

    Args:
        transport: What carries its requests.
        settings: The client's settings.
    """
    credentials = ClientCredentials(token_url=TOKEN_URL, client_id="outages", client_secret="simulated")
    given: dict[str, Any] = {"credentials": credentials, "base_url": BASE_URL, "settings": Settings(**settings)}
    replaced: Any = nullcontext()
    if "transport" in inspect.signature(Client).parameters:
        given["transport"] = transport
    else:  # clients from before the argument; goes when it has come
        replaced = patch("aiocdf.opened.Transport", lambda *_, **__: transport)
    with replaced:
        async with Client(PROJECT, **given) as client:
            yield client

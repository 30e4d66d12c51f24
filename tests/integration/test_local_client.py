"""The client that a local server hands out."""

from __future__ import annotations

import pytest

from aiocdf.auth import BearerToken
from aiocdf.errors import PermissionDenied, Unauthorized
from aiocdf.local import OAuthClient, serve


@pytest.fixture
def root(tmp_path):
    """A folder with one function."""
    (tmp_path / "double").mkdir()
    (tmp_path / "double" / "handler.py").write_text('def handle(data):\n    return {"value": 2 * data["x"]}\n')
    return tmp_path


async def test_client(root):
    """The client of a server calls its functions without more being said."""
    async with serve(root) as server, server.client() as client:
        assert await client.call("double", data={"x": 21}).response() == {"value": 42}


async def test_overrides(root):
    """What is given takes the place of the server's own."""
    async with serve(root) as server, server.client(credentials=BearerToken("unknown")) as client:
        with pytest.raises(Unauthorized):
            await client.call("double", data={"x": 1})


async def test_first_of_the_clients(root):
    """The client acts as the first of the clients that were given."""
    clients = [OAuthClient(client_id="reader", capabilities={"functionsAcl:READ"}), OAuthClient(client_id="other")]
    async with serve(root, clients=clients) as server, server.client() as client:
        with pytest.raises(PermissionDenied, match="sessionsAcl:CREATE"):
            await client.call("double", data={"x": 1})

"""`client.sessions` against a local server."""

from __future__ import annotations

import pytest

from aiocdf import (
    BadRequest,
    BearerToken,
    ConfigError,
    InvalidArgument,
    InvalidType,
    ItemList,
    NotFound,
    Secret,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")
UNKNOWN = 2**53 - 1


@pytest.mark.parametrize(
    ("grant", "kind"),
    [
        (None, "CLIENT_CREDENTIALS"),
        ("client_credentials", "CLIENT_CREDENTIALS"),
        ("token_exchange", "TOKEN_EXCHANGE"),
        ("oneshot_token_exchange", "ONESHOT_TOKEN_EXCHANGE"),
    ],
)
async def test_create(client, grant, kind):
    """A session is of the grant, or made as those of calls are; its nonce starts a call."""
    session = await client.sessions.create(grant=grant)
    assert (session.type, session.status) == (kind, "READY")
    await client.call("double", {"x": 1}, nonce=session.nonce)
    assert (await client.sessions.retrieve(session.id)).status == "ACTIVE"


async def test_create_as_another(client, server):
    """A session can act as a client at the identity provider."""
    known = server.environment()
    session = await client.sessions.create(
        client_id=known["IDP_CLIENT_ID"], client_secret=Secret(known["IDP_CLIENT_SECRET"])
    )
    assert session.client_id == known["IDP_CLIENT_ID"]
    with pytest.raises(BadRequest):
        await client.sessions.create(client_id="someone", client_secret="not the secret")


async def test_create_without_a_secret(client, server):
    """Credentials without a secret make sessions by exchanging their token."""
    token = (await client.login()).secret
    async with server.client(credentials=BearerToken(token)) as other:
        assert (await other.sessions.create()).type == "TOKEN_EXCHANGE"
        with pytest.raises(ConfigError):
            await other.sessions.create(grant="client_credentials")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_id": "a"}, InvalidArgument),
        ({"client_secret": "b"}, InvalidArgument),
        ({"client_id": "a", "client_secret": "b", "grant": "token_exchange"}, InvalidArgument),
        ({"client_id": 5, "client_secret": "b"}, InvalidType),
        ({"client_id": "a", "client_secret": b"b"}, InvalidType),
        ({"grant": "guess"}, InvalidArgument),
        ({"grant": ["guess"]}, InvalidArgument),
    ],
)
async def test_invalid_arguments(client, wrong, error):
    """Arguments that do not go together raise before anything is sent."""
    before = client.stats().requests
    with pytest.raises(error):
        await client.sessions.create(**wrong)
    assert client.stats().requests == before


async def test_list(client):
    """Sessions come newest first, all of them or those with a status."""
    made = [await client.sessions.create() for _ in range(3)]
    await client.sessions.revoke(made[0].id)
    listed = await client.sessions.list()
    assert isinstance(listed, ItemList)
    assert [session.id for session in listed][:3] == [session.id for session in reversed(made)]
    assert [session.id async for session in client.sessions.list(limit=2)] == [made[2].id, made[1].id]
    ready = {session.id for session in await client.sessions.list(status="READY")}
    assert {session.id for session in made} - ready == {made[0].id}
    with pytest.raises(InvalidArgument, match="status"):
        client.sessions.list(status="ready or not")


async def test_pages(client, monkeypatch):
    """Pages of two give all sessions, each once."""
    listing = client.sessions.list()
    monkeypatch.setattr(listing, "_page_size", 2)
    assert await listing == await client.sessions.list()


async def test_retrieve_many(client, monkeypatch):
    """Sessions come in the order of the ids; an unknown one raises."""
    monkeypatch.setattr("aiocdf.resources.sessions._MOST_BY_IDS", 2)
    made = [await client.sessions.create() for _ in range(3)]
    ids = [made[n].id for n in (2, 0, 1, 2)]
    assert [session.id for session in await client.sessions.retrieve_many(ids)] == ids
    with pytest.raises(NotFound) as caught:
        await client.sessions.retrieve_many([*ids, UNKNOWN])
    assert [item["id"] for item in caught.value.missing] == [UNKNOWN]


async def test_revoke(client):
    """Revoked sessions stay revoked; one id and several can be given."""
    made = [await client.sessions.create() for _ in range(3)]
    ids = [session.id for session in made]
    await client.sessions.revoke(ids[0])
    await client.sessions.revoke(ids)
    assert {session.status for session in await client.sessions.retrieve_many(ids)} == {"REVOKED"}
    with pytest.raises(NotFound):
        await client.sessions.revoke(UNKNOWN)

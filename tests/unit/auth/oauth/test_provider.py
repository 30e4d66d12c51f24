from __future__ import annotations

import pytest

from aiocdf.auth.oauth.provider import discover, issuer_of
from aiocdf.errors import ConfigError, OAuthError

pytestmark = pytest.mark.looptime

ISSUER = "https://idp.test/tenant"
DOCUMENT = {
    "issuer": ISSUER,
    "token_endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "device_authorization_endpoint": "http://127.0.0.1:8080/device",
    "revocation_endpoint": f"{ISSUER}/revoke",
}


async def test_addresses(script) -> None:
    """The document has all addresses; for missing fields, the defaults apply."""
    transport = script(DOCUMENT)

    provider = await discover(ISSUER, transport)
    assert provider.token_url == f"{ISSUER}/token"
    assert provider.authorize_url == f"{ISSUER}/authorize"
    assert provider.device_url == "http://127.0.0.1:8080/device"
    assert provider.revoke_url == f"{ISSUER}/revoke"
    assert (provider.issuer, provider.names_itself, provider.takes_s256) == (ISSUER, False, True)
    assert [request.url for request in transport.requests] == [f"{ISSUER}/.well-known/openid-configuration"]


async def test_oauth_without_openid(script) -> None:
    """A provider that knows no OpenID is asked at the address of RFC 8414."""
    transport = script((404, b"no such page"), DOCUMENT)

    await discover(ISSUER, transport)
    assert transport.requests[1].url == "https://idp.test/.well-known/oauth-authorization-server/tenant"


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", ISSUER])
@pytest.mark.parametrize("name", [f"{ISSUER}/", ISSUER])
async def test_slash_at_the_end(issuer, name, script) -> None:
    """A slash more or less at the end is no other issuer; answers are compared with how it calls itself."""
    assert (await discover(issuer, script(DOCUMENT | {"issuer": name}))).issuer == name


@pytest.mark.parametrize("name", ["https://evil.test", "https://idp.test", "http://idp.test/tenant", None, 7])
async def test_document_of_another_issuer(name, script) -> None:
    """Statement 6: a document that is of another issuer than the one that was asked is refused."""
    with pytest.raises(OAuthError, match=f"issuer {ISSUER}"):
        await discover(ISSUER, script(DOCUMENT | {"issuer": name}))


@pytest.mark.parametrize("name", ["token_endpoint", "authorization_endpoint", "device_authorization_endpoint"])
@pytest.mark.parametrize("url", ["http://idp.test/x", "https://localhost:80@evil.test/x", "/token"])
async def test_unsafe_addresses(name, url, script) -> None:
    """Statements 6 and 24: an address in the document to which nothing may be sent is refused by its name."""
    with pytest.raises(ConfigError, match=name):
        await discover(ISSUER, script(DOCUMENT | {name: url}))


async def test_endpoints_with_a_query(script) -> None:
    """An endpoint's query is kept, as Azure AD B2C has one; a fragment is refused (RFC 6749 section 3.1)."""
    urls = {name: f"{ISSUER}/x?p=policy" for name in DOCUMENT if name != "issuer"}

    provider = await discover(ISSUER, script({"issuer": ISSUER} | urls))
    found = {provider.token_url, provider.authorize_url, provider.device_url, provider.revoke_url}
    assert found == {f"{ISSUER}/x?p=policy"}
    assert "policy" not in repr(provider)
    with pytest.raises(ConfigError, match="token_endpoint"):
        await discover(ISSUER, script(DOCUMENT | {"token_endpoint": f"{ISSUER}/x#p"}))


@pytest.mark.parametrize("tenant", ["common", "organizations"])
async def test_document_that_is_a_template(tenant, script) -> None:
    """A document for any tenant has no single issuer; the error says to give the tenant, not the template."""
    document = DOCUMENT | {"issuer": "https://login.test/{tenantid}/v2.0"}
    with pytest.raises(OAuthError, match=r"template .*\{tenantid\}.* your own tenant"):
        await discover(f"https://login.test/{tenant}/v2.0", script(document))


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, []), (302, b""), (403, {}), (404, {})])
async def test_no_document(answer, script) -> None:
    """A missing or invalid document is an error with its address and the setting that it comes from."""
    with pytest.raises(
        OAuthError, match=r"no discovery document \(GET https://idp\.test.*\. Check issuer or IDP_DISCOVERY_URL\.$"
    ):
        await discover(ISSUER, script(answer))


async def test_page_instead_of_a_document(script) -> None:
    """A web page with status 200 does not count as a refusal."""
    with pytest.raises(
        OAuthError, match=r"openid-configuration\): the answer is an HTML page, not JSON\. Check issuer"
    ):
        await discover(ISSUER, script(b"<html>", headers={"content-type": "text/html"}))


async def test_refusal_in_words(script) -> None:
    """A provider that says why there is no document is quoted, as Entra ID does for unknown tenants."""
    with pytest.raises(OAuthError, match=r"invalid_tenant - no such tenant\. Check issuer"):
        await discover(ISSUER, script((400, {"error": "invalid_tenant", "error_description": "no such tenant"})))


async def test_provider_that_fails(script) -> None:
    """An error of the provider does not blame its address."""
    with pytest.raises(OAuthError, match="is failing: try again later"):
        await discover(ISSUER, script((503, b"")))


async def test_document_without_token_endpoint(script) -> None:
    """A provider that gives no tokens is of no use."""
    with pytest.raises(OAuthError, match="names no token_endpoint"):
        await discover(ISSUER, script({"issuer": ISSUER}))


async def test_passing_trouble(script) -> None:
    """A provider that fails for a moment is asked again."""
    assert (await discover(ISSUER, script((503, b""), DOCUMENT))).issuer == ISSUER


@pytest.mark.parametrize(
    ("methods", "takes"), [(["S256", "plain"], True), (["plain"], False), ([], False), (None, True)]
)
async def test_code_challenge_methods(methods, takes, script) -> None:
    """Statement 2: a provider that lists methods without S256 does not accept it; one that lists none may."""
    document = DOCUMENT | {"code_challenge_methods_supported": methods}

    assert (await discover(ISSUER, script(document))).takes_s256 == takes


def test_issuer_from_the_documents_address() -> None:
    """Who has only the document's address at hand may give that."""
    assert issuer_of(f"{ISSUER}/.well-known/openid-configuration") == ISSUER
    assert issuer_of(ISSUER) == ISSUER

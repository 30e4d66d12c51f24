from __future__ import annotations

import base64
import pickle
from urllib.parse import parse_qsl, unquote_plus

import attrs
import pytest

from aiocdf import auth
from aiocdf.auth import ClientCredentials
from aiocdf.errors import ConfigError, OAuthError
from aiocdf.secret import Secret

ODD = "a+b/c%d:e&f=g ~h\u00fc\u20ac"


def make(**changes):
    given = {"token_url": "https://idp.test/token", "client_id": "app", "client_secret": "s3cr3t"}
    return ClientCredentials(**given | changes)


async def sent(credentials, script):
    """Return the token request and its form fields."""
    transport = script({"access_token": "t", "token_type": "bearer"})
    await credentials.fetch(transport)
    return transport.requests[0], parse_qsl(transport.requests[0].body.decode(), strict_parsing=True)


async def test_token_request(script) -> None:
    """The token request is a form that holds grant, scope and what else was configured, by POST to the URL as given."""
    credentials = make(
        token_url="https://idp.test/token/",
        scopes=["one", "two"],
        audience="https://api.test",
        resource=["https://a.test", "https://b.test"],
        extra={"url": "https://x.test", "state": "x", "body": "y"},
    )

    request, fields = await sent(credentials, script)
    assert (request.method, request.url) == ("POST", "https://idp.test/token/")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert sorted(fields) == sorted(
        [
            ("grant_type", "client_credentials"),
            ("scope", "one two"),
            ("audience", "https://api.test"),
            ("resource", "https://a.test"),
            ("resource", "https://b.test"),
            ("url", "https://x.test"),
            ("state", "x"),
            ("body", "y"),
            ("client_id", "app"),
            ("client_secret", "s3cr3t"),
        ]
    )


async def test_minimal_token_request(script) -> None:
    """Statement 26: what is not configured is not sent, and the secret goes in the body, never in URL or name."""
    request, fields = await sent(make(), script)

    assert dict(fields) == {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cr3t"}
    assert "s3cr3t" not in f"{request.url} {request.name} {request.headers}"
    assert request.timeout == 4.0


async def test_odd_characters_in_body(script) -> None:
    """Any characters of id and secret arrive as they are."""
    _, fields = await sent(make(client_id=ODD, client_secret=ODD), script)

    assert (dict(fields)["client_id"], dict(fields)["client_secret"]) == (ODD, ODD)


async def test_odd_characters_in_header(script) -> None:
    """Basic form-encodes id and secret before base64 (RFC 6749 section 2.3.1), and keeps them out of the body."""
    request, fields = await sent(make(client_id=ODD, client_secret=ODD, auth_method="client_secret_basic"), script)

    scheme, _, encoded = request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert [unquote_plus(part) for part in base64.b64decode(encoded).decode("ascii").split(":")] == [ODD, ODD]
    assert dict(fields) == {"grant_type": "client_credentials"}


async def test_basic_does_not_stick(script) -> None:
    """A secret sent by header goes out with no other client's request."""
    await sent(make(auth_method="client_secret_basic"), script)

    request, _ = await sent(make(client_secret="other"), script)
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ("", ()),
        (" , ", ()),
        ("a", ("a",)),
        ("a b", ("a", "b")),
        ("a,b, c", ("a", "b", "c")),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ((scope for scope in "ab"), ("a", "b")),
    ],
)
def test_scopes(given, scopes) -> None:
    """Scopes come as an iterable, or as text with spaces or commas between them."""
    assert make(scopes=given).scopes == scopes


def test_entra() -> None:
    """Entra credentials have the tenant's token URL and the cluster's default scope."""
    made = ClientCredentials.entra(tenant="48d5043c", client_id="app", client_secret="s3cr3t", cluster="westeurope-1")

    assert made == make(
        token_url="https://login.microsoftonline.com/48d5043c/oauth2/v2.0/token",
        scopes=["https://westeurope-1.cognitedata.com/.default"],
    )


def test_entra_tenant_stays_in_its_place() -> None:
    """A tenant cannot lead the secret to another path or host."""
    made = ClientCredentials.entra(tenant="../x?@evil", client_id="app", client_secret="s", cluster="api")

    assert made.token_url == "https://login.microsoftonline.com/..%2Fx%3F%40evil/oauth2/v2.0/token"


def test_cognite() -> None:
    """Cognite's own provider takes no scopes."""
    made = ClientCredentials.cognite(client_id="app", client_secret="s3cr3t")

    assert made == make(token_url="https://auth.cognite.com/oauth2/token")


def test_session_item() -> None:
    """Sessions are made with id and secret, which stays wrapped until it is sent."""
    assert make().session_item() == {"clientId": "app", "clientSecret": Secret("s3cr3t")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_url": "http://idp.test/token"}, "token_url http://idp.test/token is plain http"),
        ({"token_url": "http://localhost:80@evil.test/token"}, "token_url http://evil.test/token has a user name"),
        ({"token_url": None}, "token_url is not an absolute URL"),
        ({"client_id": ""}, "client_id is empty"),
        ({"client_id": None}, "client_id is empty or not text"),
        ({"client_secret": ""}, "client_secret of client 'app' is empty"),
        ({"client_secret": None}, "client_secret of client 'app' is empty"),
        ({"client_secret": b"s3cr3t"}, "client_secret of client 'app' is empty or not text"),
        ({"client_secret": "s3cr3t\udcff"}, "client_secret of client 'app' is empty or not text"),
        ({"auth_method": "none"}, "auth_method must be one of client_secret_post, client_secret_basic"),
        ({"auth_method": "s3cr3t"}, "auth_method must be one of"),
        ({"auth_method": []}, "auth_method must be one of"),
        ({"token_url": "https://me:s3cr3t@idp.test"}, "token_url https://idp.test has a user name"),
        ({"token_url": "https://idp.test/t?code=s3cr3t#x"}, "token_url https://idp.test/t has a fragment"),
        ({"token_url": "s3cr3t"}, "token_url is not an absolute URL"),
        ({"scopes": 5}, "scopes must be"),
        ({"scopes": b"s3cr3t"}, "scopes must be"),
        ({"scopes": ["a", None]}, "scopes must be"),
        ({"scopes": ["a", ""]}, "scopes must be"),
        ({"scopes": "s3cr3t\udcff"}, "scopes must be"),
        ({"resource": object()}, "resource must be"),
        ({"resource": ["s3cr3t\udcff"]}, "resource must be"),
        ({"audience": 5}, "audience is not text"),
        ({"audience": "s3cr3t\udcff"}, "audience is not text"),
        ({"audience": ["s3cr3t"]}, "audience is not text"),
        ({"client_id": "s3cr3t\udcff"}, "client_id is empty or not text"),
        ({"extra": "s3cr3t"}, "extra must be a mapping of names to texts, not str"),
        ({"extra": ["s3cr3t"]}, "extra must be a mapping of names to texts, not list"),
        ({"extra": {5: "s3cr3t"}}, "extra has a name that is empty or not text"),
        (
            {"extra": {"a": 5, "b": b"s3cr3t", "c": "", "d": "s3cr3t\udcff"}},
            "extra sets a, b, c, d to a value that is empty or",
        ),
        ({"key_header": "s3cr3t"}, "key_header must be a mapping of names to texts, not str"),
        ({"key_header": {"alg": "none"}}, "key_header may only set kid, typ, x5t, x5t#S256"),
        ({"key_header": {5: "x"}}, "key_header may only set"),
        ({"key_header": {"kid": 5, "x5t": "\udcff"}}, "key_header sets kid, x5t to a value that is empty or not text"),
        ({"extra": {"scope": "s3cr3t", "grant_type": "password"}}, "extra must not set grant_type, scope"),
    ],
)
def test_refused_with_reason(changes, message, shown) -> None:
    """Statements 17 and 24: a value that is not safe to send is rejected at once; the error names it, and no secret."""
    with pytest.raises(ConfigError, match=r"\w") as caught:
        make(**changes)

    assert str(caught.value).startswith(message)
    assert "s3cr3t" not in shown(caught.value)


@pytest.mark.parametrize(
    "make_bad",
    [
        lambda: ClientCredentials.entra(tenant="t", client_id="app", client_secret="s3cr3t", cluster="https://api"),
        lambda: ClientCredentials.entra(tenant="t", client_id="", client_secret="s3cr3t", cluster="api"),
        lambda: ClientCredentials.entra(tenant=5, client_id="app", client_secret="s3cr3t", cluster="api"),
        lambda: ClientCredentials.entra(tenant="s3cr3t\udcff", client_id="app", client_secret="s", cluster="api"),
        lambda: ClientCredentials.cognite(client_id="", client_secret="s3cr3t"),
        lambda: ClientCredentials.open_industrial_data(b"s3cr3t"),
    ],
    ids=["entra cluster", "entra id", "entra tenant", "undecodable tenant", "cognite id", "bytes"],
)
def test_refused_without_showing(make_bad, shown) -> None:
    """Statement 17: nor does a refusal show the secret where the provider's name made the URL."""
    with pytest.raises(ConfigError, match=r"cluster|client_id|tenant|client_secret") as caught:
        make_bad()

    assert "s3cr3t" not in shown(caught.value)


def test_unknown_argument(shown) -> None:
    """Statement 17: nor does Python's own refusal of an argument's name."""
    with pytest.raises(TypeError, match="secret") as caught:
        make(secret="s3cr3t")

    assert "s3cr3t" not in shown(caught.value)


async def test_query_of_the_token_endpoint(script, shown) -> None:
    """A token endpoint's query is sent as it is (RFC 6749 section 3.2); errors and repr leave it out."""
    credentials = make(token_url="https://idp.test/token?p=policy&code=s3cr3t")

    request, _ = await sent(credentials, script)
    assert request.url == "https://idp.test/token?p=policy&code=s3cr3t"
    assert "s3cr3t" not in repr(request)
    assert "token_url='https://idp.test/token?...'" in repr(credentials)
    with pytest.raises(OAuthError, match=r"\(POST https://idp\.test/token\)") as caught:
        await credentials.fetch(script((400, {"error": "invalid_request"})))
    assert "s3cr3t" not in shown(caught.value)


async def test_access_denied(script) -> None:
    """A refusal where no user is involved is not explained with one."""
    with pytest.raises(OAuthError, match=r"access_denied - no grant\. Check .* audience") as caught:
        await make().fetch(script((403, {"error": "access_denied", "error_description": "no grant"})))

    assert "user" not in str(caught.value)


def test_half_made() -> None:
    """Statement 16: a value whose `__init__` raised has a repr, which error reports may use."""
    half = ClientCredentials.__new__(ClientCredentials)
    assert repr(half) == "ClientCredentials()"

    object.__setattr__(half, "token_url", "https://me:s3cr3t@idp.test")
    object.__setattr__(half, "client_id", "app")
    assert repr(half) == "ClientCredentials(token_url='https://idp.test', client_id='app')"


def test_loopback_may_be_plain() -> None:
    """Statement 24: plain http is for loopback."""
    assert make(token_url="http://127.0.0.1:8080/token").token_url == "http://127.0.0.1:8080/token"


@pytest.mark.parametrize(
    "make_copy",
    [
        lambda: make(client_secret=ODD),
        lambda: ClientCredentials.entra(tenant="t", client_id="app", client_secret=ODD, cluster="api"),
        lambda: ClientCredentials.cognite(client_id="app", client_secret=ODD),
        lambda: make(client_secret=Secret(ODD), extra={"assertion": ODD}),
    ],
    ids=["text", "entra", "cognite", "extra"],
)
def test_secret_does_not_show(make_copy) -> None:
    """Statement 16: repr, str, f-string, asdict and pickle of credentials hold no secret."""
    made = make_copy()

    assert ODD not in f"{made} {made!r} {made!s} {attrs.asdict(made)}"
    with pytest.raises(TypeError, match="pickling"):
        pickle.dumps(made)


def test_values_are_values() -> None:
    """Credentials are equal, hashable and immutable, and take part of others by `attrs.evolve`."""
    one = make(scopes="a")

    assert (one, hash(one)) == (make(scopes=["a"]), hash(make(scopes=["a"])))
    assert attrs.evolve(one, scopes="b") == make(scopes="b")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.client_id = "other"


def test_only_by_keyword() -> None:
    """No two texts can be mixed up: all arguments go by name."""
    with pytest.raises(TypeError, match="positional"):
        ClientCredentials("https://idp.test/token", "app", "s3cr3t")


def test_no_weak_grants() -> None:
    """Statement 15: there are no implicit and no password credentials."""
    assert {name for name in auth.__all__ if "assword" in name or "mplicit" in name} == set()


def test_open_industrial_data() -> None:
    """All but the secret of Open Industrial Data is known to everybody."""
    credentials = ClientCredentials.open_industrial_data("s3cr3t")

    assert credentials == ClientCredentials.entra(
        tenant="48d5043c-cf70-4c49-881c-c638f5796997",
        client_id="1b90ede3-271e-401b-81a0-a4d52bea3273",
        client_secret="s3cr3t",
        cluster="api",
    )
    assert credentials.scopes == ("https://api.cognitedata.com/.default",)

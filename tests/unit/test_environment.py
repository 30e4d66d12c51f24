from __future__ import annotations

import traceback

import attrs
import pytest

import aiocdf
from aiocdf._environment import Environment, read_variables
from aiocdf.auth import (
    AuthorizationCode,
    BearerToken,
    ClientCredentials,
    DeviceCode,
    FileTokenStore,
    KeyringTokenStore,
    MemoryTokenStore,
    credentials_from,
)
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

CDF = {"CDF_PROJECT": "acme", "CDF_CLUSTER": "westeurope-1"}
SECRETS = {"CDF_TOKEN": "s3cr3t-token", "IDP_CLIENT_SECRET": "s3cr3t-key"}
ENTRA = "https://login.microsoftonline.com/acme.com/oauth2/v2.0"
ADDRESS = "https://westeurope-1.cognitedata.com"


def read(**variables) -> Environment:
    return Environment.read(CDF | variables)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory without settings, and an environment with none."""
    monkeypatch.chdir(tmp_path)
    for name in ("PROVIDER", "AIOCDF_CONFIG", "AIOCDF_TOKEN_STORE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {"project": "acme", "base_url": ADDRESS, "token_store": "file"}),
        ({}, {"login_flow": "client_credentials", "provider": "entra_id", "scopes": (), "token": None}),
        ({"CDF_URL": "https://x.test/"}, {"base_url": "https://x.test/"}),
        ({"CDF_URL": "  "}, {"base_url": ADDRESS}),
        ({"LOGIN_FLOW": "TOKEN", "PROVIDER": "CDF"}, {"login_flow": "token", "provider": "cdf"}),
        ({"CDF_TOKEN": "t"}, {"login_flow": "token"}),
        ({"CDF_TOKEN": ""}, {"login_flow": "client_credentials", "token": None}),
        ({"CDF_TOKEN": "t", "LOGIN_FLOW": "client_credentials"}, {"login_flow": "client_credentials"}),
        ({"IDP_SCOPES": "a,b"}, {"scopes": ("a", "b")}),
        ({"IDP_SCOPES": " a , b c "}, {"scopes": ("a", "b", "c")}),
        (
            {"IDP_TENANT_ID": "t", "IDP_TOKEN_URL": "u", "IDP_CLIENT_ID": " c\n", "IDP_AUDIENCE": "a"},
            {"tenant": "t", "token_url": "u", "client_id": "c", "audience": "a"},
        ),
        (
            {
                "IDP_AUTHORITY_URL": "a",
                "IDP_DISCOVERY_URL": "d",
                "IDP_REDIRECT_URI": "r",
                "AIOCDF_TOKEN_STORE": "Memory",
            },
            {"authority_url": "a", "discovery_url": "d", "redirect_uri": "r", "token_store": "memory"},
        ),
    ],
)
def test_environment(variables, found) -> None:
    """The variables of Cognite's own tools are read as those read them; an empty one counts as missing."""
    environment = read(**variables)

    assert {name: getattr(environment, name) for name in found} == found


def test_secrets_of_the_environment() -> None:
    """Secrets are wrapped as they are read."""
    environment = read(**SECRETS)

    assert environment.token.reveal() == "s3cr3t-token"
    assert environment.client_secret.reveal() == "s3cr3t-key"
    assert "s3cr3t" not in f"{environment}{attrs.asdict(environment)}"


def test_arguments_count_for_more() -> None:
    """What is given in code counts for more than the environment, and needs none."""
    assert Environment.read(CDF, project="mine", base_url="https://x.test").project == "mine"
    assert Environment.read({}, project="mine", base_url="https://x.test").base_url == "https://x.test"


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, "CDF_PROJECT and CDF_CLUSTER or CDF_URL"),
        ({"CDF_PROJECT": "acme"}, "CDF_CLUSTER or CDF_URL"),
        ({"CDF_URL": "https://x.test"}, "CDF_PROJECT"),
        ({"CDF_PROJECT": " ", "CDF_URL": "https://x.test"}, "CDF_PROJECT"),
    ],
)
def test_missing_variables(variables, missing) -> None:
    """What is missing is named, and what of its kind is set; other people's variables and all values are not."""
    others = SECRETS | {"PATH": "/bin", "HOME": "/root", "MY_CDF_TOKEN": "s3cr3t", "PROVIDERS": "s3cr3t"}
    with pytest.raises(ConfigError, match=f"neither the environment nor aiocdf.toml sets {missing} ") as caught:
        Environment.read(variables | others)

    assert "CDF_TOKEN, " in str(caught.value)
    for word in ("s3cr3t", "PATH", "HOME", "MY_CDF_TOKEN", "PROVIDERS", "acme"):
        assert word not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "http://x.test"])
def test_bad_address(address) -> None:
    """An address that cannot be used is told by the variable that holds it, if that counts."""
    with pytest.raises(ConfigError, match=r"^CDF_URL "):
        read(CDF_URL=address)

    assert Environment.read(CDF | {"CDF_URL": address}, base_url="https://x.test").base_url == "https://x.test"


def test_missing_later() -> None:
    """What only a certain sign-in needs is asked for in the same words."""
    message = read(PATH="/bin").missing("IDP_CLIENT_ID", "IDP_CLIENT_SECRET")

    assert message.startswith(
        "neither the environment nor aiocdf.toml sets IDP_CLIENT_ID and IDP_CLIENT_SECRET"
        " (set are: CDF_CLUSTER, CDF_PROJECT)."
    )


def write(path, text, mode=0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_file(folder) -> None:
    """The file in the working directory has the same names in lower case; a list is as good as a text."""
    write(folder / "aiocdf.toml", 'cdf_project = "acme"\nidp_scopes = ["a", "b"]\ncdf_token = "s3cr3t"\ncdf_url = ""\n')

    assert read_variables() | {} == read_variables() | {
        "CDF_PROJECT": "acme",
        "IDP_SCOPES": "a b",
        "CDF_TOKEN": Secret("s3cr3t"),
    }
    assert "CDF_URL" not in read_variables()


def test_environment_counts_for_more_than_the_file(folder, monkeypatch) -> None:
    """A variable that is set hides the file's, an empty one does not."""
    write(folder / "aiocdf.toml", 'cdf_project = "acme"\ncdf_cluster = "api"\n')
    monkeypatch.setenv("CDF_PROJECT", "mine")
    monkeypatch.setenv("CDF_CLUSTER", " ")

    assert (read_variables()["CDF_PROJECT"], read_variables()["CDF_CLUSTER"]) == ("mine", "api")


def test_file_elsewhere(folder, monkeypatch) -> None:
    """AIOCDF_CONFIG names another file, which then must be there."""
    write(folder / "aiocdf.toml", 'cdf_project = "here"\n')
    write(folder / "other.toml", 'cdf_project = "other"\n')
    monkeypatch.setenv("AIOCDF_CONFIG", str(folder / "other.toml"))
    assert read_variables()["CDF_PROJECT"] == "other"

    monkeypatch.setenv("AIOCDF_CONFIG", str(folder / "none.toml"))
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml \(named by AIOCDF_CONFIG\): No such file"):
        read_variables()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
@pytest.mark.parametrize("name", ["cdf_token", "idp_client_secret"])
def test_secrets_in_an_open_file(name, mode, folder) -> None:
    """A file that holds a secret must be its owner's alone; one without may be shared."""
    write(folder / "aiocdf.toml", f'{name} = "s3cr3t"\n', mode)
    with pytest.raises(ConfigError, match=f"holds {name} and is open to other users: chmod 600"):
        read_variables()

    write(folder / "aiocdf.toml", 'cdf_project = "acme"\n', mode)
    assert read_variables()["CDF_PROJECT"] == "acme"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('cdf_proiect = "s3cr3t"', "sets cdf_proiect, and can set aiocdf_token_store, cdf_cluster, "),
        ('[cdf]\nproject = "s3cr3t"', "sets cdf, and can set"),
        ("cdf_project = 7", "sets cdf_project to what is neither a text nor a list of texts"),
        ('cdf_token = ["s3cr3t", 7]', "sets cdf_token to what is neither"),
        ('cdf_token = "s3cr3t\n', r"^aiocdf\.toml is no TOML file \(at line 1, column \d+\)\.$"),
        ("s3cr3t", r"is no TOML file \(at end of document\)\.$"),
        ("s3cr3t = 1\ns3cr3t = 2\n", r"is no TOML file \(at line 2, column \d+\)\.$"),
        ('cdf_token = "s3cr3t\xff"', r"is no TOML file\.$"),
    ],
)
def test_file_that_cannot_be_used(text, problem, folder) -> None:
    """Statement 17: a slip in the file is named, and neither message nor locals show a value."""
    (folder / "aiocdf.toml").write_bytes(text.encode("latin-1"))
    (folder / "aiocdf.toml").chmod(0o600)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_variables()

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = "".join(str(frame.locals) for frame in report.stack if frame.filename.startswith(aiocdf.__path__[0]))
    assert "s3cr3t" not in f"{frames}{caught.value}"
    assert caught.value.__context__ is None


def test_token() -> None:
    """A ready token is used as it is."""
    assert credentials_from(read(CDF_TOKEN="t0ken")) == BearerToken("t0ken")


@pytest.mark.parametrize(
    ("variables", "token_url", "scopes"),
    [
        ({"IDP_TENANT_ID": "acme.com"}, f"{ENTRA}/token", (f"{ADDRESS}/.default",)),
        (
            {"IDP_AUTHORITY_URL": "https://x.test/acme/"},
            "https://x.test/acme/oauth2/v2.0/token",
            (f"{ADDRESS}/.default",),
        ),
        ({"PROVIDER": "cdf"}, "https://auth.cognite.com/oauth2/token", ()),
        ({"PROVIDER": "other", "IDP_TOKEN_URL": "https://x.test", "IDP_SCOPES": "a"}, "https://x.test", ("a",)),
    ],
)
def test_client_credentials(variables, token_url, scopes) -> None:
    """An application is known by id and secret, and its provider by name or address."""
    credentials = credentials_from(read(IDP_CLIENT_ID="app", IDP_CLIENT_SECRET="s3cr3t", **variables))

    assert credentials == ClientCredentials(
        token_url=token_url, client_id="app", client_secret="s3cr3t", scopes=scopes, audience=None
    )


def test_auth0() -> None:
    """Auth0 is told whom tokens are for."""
    given = {"PROVIDER": "auth0", "IDP_TOKEN_URL": "https://x.test", "IDP_CLIENT_ID": "a", "IDP_CLIENT_SECRET": "b"}

    assert credentials_from(read(**given)).audience == "https://acme.fusion.cognite.com/acme"
    assert credentials_from(read(**given, IDP_AUDIENCE="mine")).audience == "mine"


@pytest.mark.parametrize(
    ("flow", "variables", "expected"),
    [
        (
            "interactive",
            {"IDP_TENANT_ID": "acme.com", "IDP_CLIENT_ID": "app"},
            {
                "client_id": "app",
                "authorize_url": f"{ENTRA}/authorize",
                "token_url": f"{ENTRA}/token",
                "scopes": (f"{ADDRESS}/.default", "offline_access"),
                "redirect_uri": "http://localhost:53000",
            },
        ),
        (
            "interactive",
            {"PROVIDER": "cdf", "IDP_CLIENT_ID": "app", "IDP_REDIRECT_URI": "http://127.0.0.1/callback"},
            {"issuer": "https://auth.cognite.com", "redirect_uri": "http://127.0.0.1/callback"},
        ),
        (
            "interactive",
            {
                "PROVIDER": "other",
                "IDP_CLIENT_ID": "app",
                "IDP_DISCOVERY_URL": "https://x.test/.well-known/openid-configuration",
            },
            {"issuer": "https://x.test", "scopes": ("offline_access",)},
        ),
        (
            "device_code",
            {"IDP_TENANT_ID": "acme.com"},
            {
                "client_id": "fb9d503b-ac25-44c7-a75d-8fbcd3a206bd",
                "device_url": f"{ENTRA}/devicecode",
                "scopes": (f"{ADDRESS}/IDENTITY", f"{ADDRESS}/user_impersonation", "offline_access"),
            },
        ),
        (
            "device_code",
            {"PROVIDER": "auth0", "IDP_CLIENT_ID": "app", "IDP_DISCOVERY_URL": "https://x.test"},
            {
                "scopes": ("IDENTITY", "user_impersonation", "offline_access"),
                "audience": "https://acme.fusion.cognite.com/acme",
            },
        ),
    ],
)
def test_users(flow, variables, expected) -> None:
    """Users sign in where Cognite's own tools would have them sign in, and stay so for all programs of theirs."""
    credentials = credentials_from(read(LOGIN_FLOW=flow, **variables))

    assert isinstance(credentials, AuthorizationCode if flow == "interactive" else DeviceCode)
    assert isinstance(credentials.store, FileTokenStore)
    assert {name: getattr(credentials, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "kind"), [("file", FileTokenStore), ("keyring", KeyringTokenStore), ("memory", MemoryTokenStore)]
)
def test_token_store(name, kind) -> None:
    """AIOCDF_TOKEN_STORE says where sign-ins are kept."""
    given = {"LOGIN_FLOW": "device_code", "IDP_TENANT_ID": "t", "AIOCDF_TOKEN_STORE": name}

    assert isinstance(credentials_from(read(**given)).store, kind)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"LOGIN_FLOW": "token"}, "sets CDF_TOKEN "),
        ({}, "sets IDP_TOKEN_URL or IDP_TENANT_ID and IDP_CLIENT_ID and IDP_CLIENT_SECRET "),
        ({"PROVIDER": "cdf"}, "sets IDP_CLIENT_ID and IDP_CLIENT_SECRET "),
        ({"PROVIDER": "foo", "IDP_TENANT_ID": "t"}, "sets IDP_TOKEN_URL and IDP_CLIENT_ID and IDP_CLIENT_SECRET "),
        ({"LOGIN_FLOW": "interactive"}, "sets IDP_TENANT_ID "),
        ({"LOGIN_FLOW": "interactive", "IDP_TENANT_ID": "t"}, "sets IDP_CLIENT_ID "),
        ({"LOGIN_FLOW": "interactive", "PROVIDER": "other"}, "sets IDP_DISCOVERY_URL "),
        ({"LOGIN_FLOW": "device_code", "PROVIDER": "cdf"}, "sets IDP_CLIENT_ID "),
        (
            {"LOGIN_FLOW": "magic"},
            "LOGIN_FLOW is 'magic'; it can be client_credentials, token, interactive or device_code",
        ),
        (
            {"LOGIN_FLOW": "device_code", "IDP_TENANT_ID": "t", "AIOCDF_TOKEN_STORE": "cloud"},
            "AIOCDF_TOKEN_STORE is 'cloud'; it can be file, keyring, memory",
        ),
    ],
)
def test_what_a_flow_needs(variables, problem) -> None:
    """What a way to sign in lacks is named, and so are values that are none."""
    with pytest.raises(ConfigError, match=problem):
        credentials_from(read(**variables))

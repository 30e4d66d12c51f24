from __future__ import annotations

import traceback

import attrs
import pytest

import aiocdf
from aiocdf._environment import Environment, read_environment
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
        ({"CDF_URL": "https://x.test/"}, {"base_url": "https://x.test/", "cluster_url": ADDRESS}),
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
    """Arguments take precedence over the environment, and need none."""
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
    """The error for an invalid address names its variable, if that variable is used."""
    with pytest.raises(ConfigError, match=r"^CDF_URL "):
        read(CDF_URL=address)

    assert Environment.read(CDF | {"CDF_URL": address}, base_url="https://x.test").base_url == "https://x.test"


def test_missing_later() -> None:
    """The error for variables that only one sign-in needs has the same form."""
    message = read(PATH="/bin").missing("IDP_CLIENT_ID", "IDP_CLIENT_SECRET")

    assert message.startswith(
        "neither the environment nor aiocdf.toml sets IDP_CLIENT_ID and IDP_CLIENT_SECRET"
        " (set: CDF_CLUSTER, CDF_PROJECT)."
    )


def write(path, text, mode=0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_file(folder) -> None:
    """The file in the working directory has the same names in lower case; a list is as good as a text."""
    text = 'cdf_project = "acme"\nidp_scopes = ["a", "b"]\ncdf_token = "s3cr3t"\ncdf_url = ""\ncdf_cluster = "api"\n'
    write(folder / "aiocdf.toml", text)

    environment = read_environment()
    assert (environment.project, environment.scopes, environment.token) == ("acme", ("a", "b"), Secret("s3cr3t"))
    assert environment.base_url == "https://api.cognitedata.com"


def test_environment_counts_for_more_than_the_file(folder, monkeypatch) -> None:
    """A variable that is set hides the file's, an empty one does not."""
    write(folder / "aiocdf.toml", 'cdf_project = "acme"\ncdf_cluster = "api"\n')
    monkeypatch.setenv("CDF_PROJECT", "mine")
    monkeypatch.setenv("CDF_CLUSTER", " ")

    assert (read_environment().project, read_environment().base_url) == ("mine", "https://api.cognitedata.com")


def test_file_elsewhere(folder, monkeypatch) -> None:
    """AIOCDF_CONFIG names another file, which then must be there; an empty value names none."""
    write(folder / "aiocdf.toml", 'cdf_project = "here"\ncdf_cluster = "api"\n')
    write(folder / "other.toml", 'cdf_project = "other"\ncdf_cluster = "api"\n')
    monkeypatch.setenv("AIOCDF_CONFIG", str(folder / "other.toml"))
    assert read_environment().project == "other"

    monkeypatch.setenv("AIOCDF_CONFIG", " ")
    assert read_environment().project == "here"

    monkeypatch.setenv("AIOCDF_CONFIG", str(folder / "none.toml"))
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml \(named by AIOCDF_CONFIG\): No such file"):
        read_environment()


IDP = {"IDP_TENANT_ID": "acme.com", "IDP_CLIENT_ID": "app"}
APPLICATION = IDP | {"IDP_CLIENT_SECRET": "s3cr3t"}
FILE_ADDRESSES = {
    "CDF_CLUSTER": "evil",
    "CDF_URL": "https://evil.test",
    "IDP_AUTHORITY_URL": "https://evil.test",
    "IDP_DISCOVERY_URL": "https://evil.test",
    "IDP_TENANT_ID": "evil.test",
    "IDP_TOKEN_URL": "https://evil.test",
    "PROVIDER": "cdf",
}


@pytest.mark.parametrize("trusts_file", [True, False])
@pytest.mark.parametrize(
    "service", [{"CDF_CLUSTER": "westeurope-1"}, {"CDF_URL": ADDRESS}, {"CDF_CLUSTER": "x", "CDF_URL": ADDRESS}]
)
@pytest.mark.parametrize(
    "provider",
    [
        {"IDP_TENANT_ID": "acme.com"},
        {"IDP_AUTHORITY_URL": "https://login.microsoftonline.com/acme.com"},
        {"IDP_TOKEN_URL": f"{ENTRA}/token"},
    ],
)
def test_addresses_of_the_environment_replace_those_of_a_file(service, provider, trusts_file) -> None:
    """Statement 31: cluster and URL are one setting, and so are all that say where the identity provider is."""
    variables = {"CDF_PROJECT": "acme", "IDP_CLIENT_ID": "app", "IDP_CLIENT_SECRET": "s3cr3t"} | service | provider

    environment = Environment.read(variables, file=FILE_ADDRESSES, trusts_file=trusts_file)
    assert environment.base_url == ADDRESS
    assert credentials_from(environment).token_url == f"{ENTRA}/token"


def test_an_address_in_code_replaces_all_others() -> None:
    """Statement 31: an address that is given in code is the one that tokens are for, whatever else is set."""
    for variables, file in ((CDF, {}), ({"CDF_URL": "https://y.test"}, {}), ({}, FILE_ADDRESSES)):
        given = {"CDF_PROJECT": "acme", "CDF_TOKEN": "t"} | variables
        environment = Environment.read(given, file=file, base_url="https://x.test")
        assert (environment.base_url, environment.cluster_url) == ("https://x.test", "https://x.test")


@pytest.mark.parametrize("name", FILE_ADDRESSES)
def test_file_leads_no_client_secret(name) -> None:
    """Statement 31: a client secret of the environment goes nowhere by the working directory's file."""
    service = {} if name.startswith("CDF_") else CDF
    provider = APPLICATION if name.startswith("CDF_") else {"IDP_CLIENT_ID": "app", "IDP_CLIENT_SECRET": "s3cr3t"}
    given = {"CDF_PROJECT": "acme"} | service | provider
    with pytest.raises(
        ConfigError, match=rf"^IDP_CLIENT_SECRET would be sent .* aiocdf\.toml .*{name.lower()}\b"
    ) as caught:
        Environment.read(given, file={name: FILE_ADDRESSES[name]})

    assert "AIOCDF_CONFIG=./aiocdf.toml" in str(caught.value)
    assert Environment.read(given, file={name: FILE_ADDRESSES[name]}, trusts_file=True).project == "acme"


@pytest.mark.parametrize("name", ["CDF_CLUSTER", "CDF_URL"])
def test_file_leads_no_token(name) -> None:
    """Statement 31: nor does a token, of the environment or of credentials that are given in code."""
    file = {name: FILE_ADDRESSES[name]}
    with pytest.raises(ConfigError, match=rf"^CDF_TOKEN would be sent .*{name.lower()}\b"):
        Environment.read({"CDF_PROJECT": "acme", "CDF_TOKEN": "t"}, file=file)
    with pytest.raises(ConfigError, match=rf"the credentials .*\b{name.lower()}\b"):
        Environment.read({"CDF_PROJECT": "acme"}, file=file, has_credentials=True)


@pytest.mark.parametrize("flow", ["interactive", "device_code"])
def test_file_leads_no_sign_in(flow) -> None:
    """Statement 31: a user's token goes to a Cognite cluster that the file names, and to no other address of it."""
    given = {"CDF_PROJECT": "acme", "LOGIN_FLOW": flow} | IDP
    with pytest.raises(ConfigError, match=r"^the token of your sign-in would be sent .*cdf_url\b"):
        Environment.read(given, file={"CDF_URL": "https://evil.test"})

    assert Environment.read(given, file={"CDF_CLUSTER": "westeurope-1"}).base_url == ADDRESS


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({}, CDF | APPLICATION),
        ({}, CDF | {"CDF_TOKEN": "t", "IDP_TOKEN_URL": "https://x.test"}),
        ({"CDF_TOKEN": "t"} | CDF, {"IDP_TOKEN_URL": "https://x.test"}),
        ({"CDF_TOKEN": "t", "LOGIN_FLOW": "client_credentials"}, CDF | APPLICATION),
        ({"IDP_CLIENT_SECRET": "s"}, CDF | {"CDF_TOKEN": "t"}),
        (CDF | IDP, {"IDP_CLIENT_SECRET": "s"}),
        (CDF | APPLICATION, {"IDP_SCOPES": "a", "IDP_AUDIENCE": "a"}),
    ],
    ids=["own secret", "own token", "no provider", "unused token", "unused secret", "secret only", "no address"],
)
def test_what_a_file_may_lead(given, file) -> None:
    """A file's address may have the file's own secrets; those that are not used do not matter."""
    assert Environment.read(given, file=file).base_url == ADDRESS


def test_missing_because_it_was_replaced() -> None:
    """Where a variable of the environment replaced what the file says, an error about what is missing names it."""
    environment = Environment.read(CDF | {"PROVIDER": "entra_id"}, file={"IDP_TENANT_ID": "t"})

    with pytest.raises(ConfigError, match=r"idp_tenant_id in the file is not used"):
        credentials_from(environment)


@pytest.mark.parametrize("text", ['cdf_url = "https://evil.test"', 'idp_token_url = "https://evil.test"'])
def test_file_that_another_user_put_there(text, folder, monkeypatch) -> None:
    """Statement 31: from the folder to the client, a secret of the environment meets no address of a stray file."""
    write(folder / "aiocdf.toml", f'{text}\ncdf_project = "acme"\ncdf_cluster = "api"\nidp_client_id = "app"\n')
    monkeypatch.setenv("IDP_CLIENT_SECRET", "s3cr3t")
    with pytest.raises(ConfigError, match="IDP_CLIENT_SECRET would be sent"):
        aiocdf.Client.from_env()
    with pytest.raises(ConfigError, match="the credentials"):
        aiocdf.Client.from_env(credentials=BearerToken("t"))

    monkeypatch.setenv("AIOCDF_CONFIG", "./aiocdf.toml")
    assert aiocdf.Client.from_env(credentials=BearerToken("t")).project == "acme"


@pytest.mark.parametrize("name", ["CDF_PROJECT", "CDF_URL", "IDP_CLIENT_ID", "IDP_SCOPES", "IDP_AUDIENCE", "PROVIDER"])
def test_undecodable_bytes(name) -> None:
    """A variable that holds bytes which are not text is named; they come as surrogates, which nothing can send."""
    with pytest.raises(ConfigError, match=f"^{name}: the value is not UTF-8 text") as caught:
        read(**{name: "x\udcff"})

    str(caught.value).encode()


def test_undecodable_names(monkeypatch) -> None:
    """A name that is not text can be shown, and so can that of a file."""
    with pytest.raises(ConfigError, match=r"CDF_\\udcff") as caught:
        Environment.read({"CDF_\udcff": "x"})
    str(caught.value).encode()

    monkeypatch.setenv("AIOCDF_CONFIG", "none-\udcff")
    with pytest.raises(ConfigError, match=r"none-\\udcff \(named by") as caught:
        read_environment()
    str(caught.value).encode()


ADDRESSES = ["CDF_URL", "IDP_TOKEN_URL", "IDP_AUTHORITY_URL", "IDP_DISCOVERY_URL", "IDP_REDIRECT_URI"]


@pytest.mark.parametrize("name", ADDRESSES)
def test_password_in_an_address(name) -> None:
    """Statement 17: a password in an address of the environment stands in no error, local variable or repr."""
    flow = "client_credentials" if name == "IDP_TOKEN_URL" else "interactive"
    provider = "other" if name == "IDP_DISCOVERY_URL" else "entra_id"
    variables = {"LOGIN_FLOW": flow, "PROVIDER": provider, name: "https://me:s3cr3t-password@x.test"}
    with pytest.raises(ConfigError, match="user name") as caught:
        credentials_from(read(**APPLICATION | variables))

    assert "s3cr3t-password" not in shown(caught.value)


def test_repr_of_addresses() -> None:
    """Statement 16: what was read shows neither a password in an address nor a query, which may hold a key."""
    url = "https://me:s3cr3t@x.test/token?code=s3cr3t"
    environment = read(**dict.fromkeys(set(ADDRESSES) - {"CDF_URL"}, url))

    assert "s3cr3t" not in repr(environment)
    assert "token_url='https://x.test/token?...'" in repr(environment)


def shown(error) -> str:
    """What an error report with all locals of aiocdf's frames would show."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in report.stack if "aiocdf" in frame.filename and "test_" not in frame.filename]
    assert frames, "the exception was not raised in aiocdf"
    context = shown(error.__context__) if error.__context__ else ""
    return f"{error!r}{[frame.locals for frame in frames]}{context}"


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
    """Requests to Auth0 have the audience, and the scopes that Cognite's own tools request."""
    given = {"PROVIDER": "auth0", "IDP_TOKEN_URL": "https://x.test", "IDP_CLIENT_ID": "a", "IDP_CLIENT_SECRET": "b"}

    assert credentials_from(read(**given)).scopes == ("IDENTITY", "user_impersonation")
    assert credentials_from(read(**given, IDP_SCOPES="mine")).scopes == ("mine",)
    assert credentials_from(read(**given)).audience == "https://acme.fusion.cognite.com/acme"
    assert credentials_from(read(**given, IDP_AUDIENCE="mine")).audience == "mine"


@pytest.mark.parametrize("provider", ["entra_id", "other"])
def test_scope_with_a_private_link(provider) -> None:
    """Requests go by CDF_URL, while the token is for the cluster; without a cluster it is for the URL."""
    given = APPLICATION | {"PROVIDER": provider, "IDP_TOKEN_URL": "https://x.test", "CDF_URL": "https://link.test"}

    assert credentials_from(read(**given)).scopes == (f"{ADDRESS}/.default",)
    alone = Environment.read(given | {"CDF_PROJECT": "acme"})
    assert credentials_from(alone).scopes == ("https://link.test/.default",)


def test_scopes_of_users_with_a_private_link() -> None:
    """Users sign in for the cluster too."""
    for flow, name in (("interactive", ".default"), ("device_code", "IDENTITY")):
        credentials = credentials_from(read(**IDP, LOGIN_FLOW=flow, CDF_URL="https://link.test"))
        assert credentials.scopes[0] == f"{ADDRESS}/{name}"


def test_sign_ins_belong_to_a_service() -> None:
    """Statement 31: a sign-in for one service is not found by settings that lead to another."""
    keys = {
        credentials_from(read(**IDP, LOGIN_FLOW="interactive", **more))._key
        for more in ({}, {"CDF_URL": "https://x.test"}, {"CDF_URL": "https://x.test/"}, {"CDF_CLUSTER": "api"})
    }
    assert len(keys) == 3

    given = {"tenant": "acme.com", "client_id": "app", "cluster": "westeurope-1"}
    assert AuthorizationCode.entra(**given)._key in keys


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

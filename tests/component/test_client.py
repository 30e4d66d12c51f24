from __future__ import annotations

import asyncio
import math
import traceback
import warnings
from typing import TypedDict

import aiohttp
import attrs
import pytest

import aiocdf
from aiocdf import (
    BearerToken,
    Client,
    ClientClosed,
    ConfigError,
    DecodeError,
    Function,
    FunctionStatus,
    InvalidArgument,
    InvalidType,
    SecretInDataWarning,
    Settings,
    UsageError,
    WrongState,
)
from aiocdf._http.transport import AiohttpTransport

pytestmark = pytest.mark.looptime

USES = {
    "call": lambda client: client.call(1),
    "attach": lambda client: client.attach(1, 2),
    "attach a token": lambda client: client.attach("cdf:cdf.test:acme:1:2"),
    "stats": lambda client: client.stats(),
    "functions": lambda client: client.functions,
    "calls": lambda client: client.calls,
    "sessions": lambda client: client.sessions,
    "a bound function": lambda client: client.function(1).call(),
}


def shown(error):
    """What an error report with all locals of aiocdf's frames would show."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame.locals for frame in report.stack if frame.filename.startswith(aiocdf.__path__[0])]
    assert frames, "the exception was not raised in aiocdf"
    context = shown(error.__context__) if error.__context__ else ""
    return f"{error!r}{frames}{context}"


class TestLife:
    @pytest.mark.parametrize("use", USES.values(), ids=USES)
    async def test_before_start(self, service, use):
        """A client that was not opened says how to open it."""
        with pytest.raises(WrongState, match="async with client"):
            use(service.client())

    @pytest.mark.parametrize("use", USES.values(), ids=USES)
    async def test_after_close(self, service, use):
        """A closed client says that it is closed."""
        async with service.client() as client:
            pass
        with pytest.raises(ClientClosed, match="make a new one"):
            use(client)

    @pytest.mark.parametrize("use", USES.values(), ids=USES)
    async def test_without_a_loop(self, client, service, use):
        """Used from a thread without a loop, a client says so, and makes no loop of its own."""
        with pytest.raises(WrongState, match="no running event loop"):
            await asyncio.to_thread(use, client)
        assert service.seen == []

    async def test_on_another_loop(self, client, service):
        """Used on another loop than its own, a client says so."""

        async def elsewhere():
            client.call(1)

        with pytest.raises(WrongState, match="another event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())
        assert service.seen == []

    async def test_opened_twice(self, client):
        """Opening an open client raises."""
        with pytest.raises(WrongState, match="open already"):
            await client.start()

    async def test_opened_again(self, service):
        """Opening a closed client raises, and closing it once more does nothing."""
        client = service.client()
        await client.start()
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClientClosed):
            await client.start()

    async def test_closed_before_it_was_opened(self, service):
        """Closing a client that was never opened does no harm."""
        await service.client().aclose()

    async def test_opening_sends_nothing(self, client, service):
        """Nothing is sent before the first call."""
        await asyncio.sleep(10)
        assert service.seen == []

    async def test_repr(self, service):
        """The repr shows the project, the address and whether the client is open, and no secret."""
        client = service.client(credentials=BearerToken("s3cr3t"))
        assert repr(client) == "<Client of project acme at https://cdf.test: not started>"
        async with client:
            assert repr(client).endswith("open>")
        assert repr(client).endswith("closed>")

    @pytest.mark.parametrize("address", [{}, {"base_url": "https://a.test", "cluster": "api"}], ids=["none", "two"])
    def test_one_address(self, address):
        """A client has exactly one address."""
        with pytest.raises(ConfigError, match="either base_url or cluster"):
            Client("acme", credentials=BearerToken("token"), **address)

    @pytest.mark.parametrize(
        ("address", "problem"),
        [
            ({"base_url": ""}, "^base_url is not an absolute URL"),
            ({"base_url": 5}, "^base_url is not an absolute URL"),
            ({"cluster": ""}, "^cluster '' is not a valid cluster name"),
            ({"cluster": 5}, "^cluster 5 is not a valid cluster name"),
        ],
    )
    def test_no_address(self, address, problem):
        """The error for an invalid address names its argument, with and without the environment."""
        for make in (Client, Client.from_env):
            with pytest.raises(ConfigError, match=problem):
                make(project="acme", credentials=BearerToken("token"), **address)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("credentials", value) for value in ("t0ken", None, BearerToken, object())),
            *(("settings", value) for value in ({}, {"grace": 1}, Settings, False)),
            *(("session", value) for value in ("s", 5, aiohttp.ClientSession)),
            *(("transport", value) for value in (5, object(), AiohttpTransport)),
            *(("observers", value) for value in (print, 5, None, "ab", [print, None])),
        ],
    )
    def test_argument_of_the_wrong_kind(self, service, name, value):
        """An argument of another kind is refused when the client is made, not when it is opened."""
        with pytest.raises(InvalidType, match=f"^{name} must be "):
            service.client(**{name: value})

    async def test_session_beside_a_transport(self, service):
        """A session that the transport would pass over is refused."""
        async with aiohttp.ClientSession() as session:
            with pytest.raises(InvalidArgument, match="either session or transport"):
                service.client(session=session)

    @pytest.mark.parametrize("make", [Client, Client.from_env], ids=["plain", "environment"])
    @pytest.mark.parametrize(
        "mistake",
        [
            {"credentials": "s3cr3t"},
            {"credentials": b"s3cr3t"},
            {"credentials": BearerToken("t"), "settings": "s3cr3t"},
            {"credentials": BearerToken("t"), "session": "s3cr3t"},
            {"credentials": BearerToken("t"), "transport": "s3cr3t"},
            {"credentials": BearerToken("t"), "observers": "s3cr3t"},
            {"credentials": BearerToken("t"), "observers": ["s3cr3t"]},
            {"credentials": BearerToken("t"), "project": "s3cr3t.s3cr3t"},
            {"credentials": BearerToken("t"), "project": b"s3cr3t"},
            {"credentials": BearerToken("t"), "cluster": None, "base_url": "s3cr3t"},
            {"credentials": BearerToken("t"), "cluster": None, "base_url": "https://me:s3cr3t@x.test"},
            {"credentials": BearerToken("t"), "cluster": None, "base_url": "https://x.test?key=s3cr3t"},
            {"credentials": BearerToken("t"), "token": "s3cr3t"},
        ],
        ids=str,
    )
    def test_bare_secret(self, make, mistake):
        """Statement 17: a secret given as any argument is not shown, neither in text nor in locals."""
        with pytest.raises((ConfigError, TypeError)) as caught:
            make(**{"project": "acme", "cluster": "api"} | mistake)
        assert "s3cr3t" not in shown(caught.value)

    def test_half_made(self):
        """Statement 16: a client whose `__init__` raised has a repr, which error reports may use."""
        assert "not made" in repr(Client.__new__(Client))

    async def test_nonce_beside_what_cannot_be_sent(self, client, service):
        """Statement 17: a nonce is not shown where something else of the call is refused."""
        for problem in ({"data": {"a": math.nan}}, {"timeout": "5"}, {"retry": 5}, {"function": 0}):
            with pytest.raises(UsageError) as caught:
                client.call(**{"function": 1, "nonce": "n0nce"} | problem)
            assert "n0nce" not in shown(caught.value)
        with pytest.raises(WrongState) as caught:
            service.client().call(1, nonce="n0nce")
        assert "n0nce" not in shown(caught.value)


class TestArguments:
    @pytest.mark.parametrize("function", [0, -1, 2**53, "", "x" * 256])
    async def test_function_that_cannot_be(self, client, service, function):
        """An id that no function can have is refused before anything is sent."""
        for use in (client.call, client.function, lambda bad: client.attach(bad, 1)):
            with pytest.raises(InvalidArgument):
                use(function)
        await asyncio.sleep(1)
        assert service.seen == []

    @pytest.mark.parametrize("function", [True, 1.5, None, b"double", ["double"]])
    async def test_function_of_the_wrong_kind(self, client, function):
        """An object that is not a function is rejected with a TypeError."""
        for use in (client.call, client.function):
            with pytest.raises(InvalidType) as caught:
                use(function)
            assert isinstance(caught.value, TypeError)

    @pytest.mark.parametrize(("call_id", "error"), [(0, InvalidArgument), (2**53, InvalidArgument), ("7", InvalidType)])
    async def test_call_that_cannot_be(self, client, call_id, error):
        """An id that no call can have is refused."""
        with pytest.raises(error):
            client.attach(1, call_id)

    async def test_attach_to_nothing(self, client):
        """`attach` takes a reference or a function and a call, and says so."""
        for arguments in [(1,), (client.call(1),)]:
            with pytest.raises(InvalidType, match="CallRef"):
                client.attach(*arguments)

    @pytest.mark.parametrize("largest", [1, 2**53 - 1])
    async def test_ids_at_the_edge(self, client, service, largest):
        """The smallest and the largest id are good ones."""
        service.functions["edge"] = largest
        assert (await client.call(largest)).function_id == largest

    async def test_function_value(self, client):
        """A `Function` is called by its id."""
        function = Function(id=2, name="other", status=FunctionStatus.Ready)
        assert (await client.call(function)).function_id == 2

    @pytest.mark.parametrize("seconds", [0, -1, math.nan])
    async def test_timeout_that_cannot_be(self, client, seconds):
        """A timeout has to be more than nothing."""
        with pytest.raises(InvalidArgument, match="more than 0 seconds"):
            client.call(1, timeout=seconds)

    @pytest.mark.parametrize("seconds", ["5", True, [1]])
    async def test_timeout_of_the_wrong_kind(self, client, service, seconds):
        """A timeout is a number, and not a truth."""
        with pytest.raises(InvalidType, match="it must be a number of seconds"):
            client.call(1, timeout=seconds)
        await asyncio.sleep(1)
        assert service.seen == []

    @pytest.mark.parametrize("nonce", [5, b"n0nce", ["n0nce"]])
    async def test_nonce_of_the_wrong_kind(self, client, service, nonce):
        """A nonce is text; another value is not shown, neither in text nor in locals."""
        with pytest.raises(InvalidType, match=f"^nonce must be text, .* not {type(nonce).__name__}$") as caught:
            client.call(1, nonce=nonce)
        assert "n0nce" not in shown(caught.value)
        await asyncio.sleep(1)
        assert service.seen == []

    @pytest.mark.parametrize(
        ("data", "path"),
        [
            ({"a": [1, math.nan]}, r"\$\.a\[1\]"),
            ({"a": {"b": {1, 2}}}, r"\$\.a\.b"),
            ({"a": {1: 2}}, r"\$\.a"),
            ([1], "list"),
        ],
        ids=["NaN", "set", "number key", "no object"],
    )
    async def test_data_that_is_no_json(self, client, service, data, path):
        """Data that is not a JSON object raises in `client.call`, with the path, and nothing is sent."""
        with pytest.raises(UsageError, match=path):
            client.call(1, data)
        await asyncio.sleep(1)
        assert service.seen == []
        assert client.stats().waiting == 0

    async def test_data_over_the_clouds_limit(self, service):
        """Data is measured against what the cluster's cloud takes, where that is known."""
        async with service.client(base_url=None, cluster="westeurope-1") as client:
            with pytest.raises(InvalidArgument, match="36,000"):
                client.call(1, {"text": "x" * 36_000})
            await client.call(1, {"text": "x" * 35_000})

    async def test_data_is_taken_at_once(self, client, service):
        """Data is what it was when the call was made, whatever becomes of the mapping after it."""
        data = {"n": 1}
        handle = client.call(1, data)
        data["n"] = 2
        await handle
        assert service.of("start")[0].body["data"] == {"n": 1}


class TestSecretInData:
    async def test_warns_and_names_the_path(self, client):
        """A value that looks like a secret is warned of by its path, never quoted, at the caller's own line."""
        with pytest.warns(SecretInDataWarning, match=r"at \$\.db\.password") as caught:
            handle = client.call(1, {"db": {"password": "hunter2"}})
        assert "hunter2" not in str(caught[0].message)
        assert caught[0].filename == __file__
        await handle

    @pytest.mark.parametrize("way", ["call", "bound"])
    async def test_once_for_each_call_site(self, client, way):
        """A line that makes many calls is warned of once, another line again."""
        call = client.call if way == "call" else lambda _, data: client.function(1).call(data)
        with warnings.catch_warnings(record=True, action="always") as caught:
            handles = [call(1, {"password": str(n)}) for n in range(5)]
            assert len(caught) == 1
            if way == "call":
                handles.append(client.call(1, {"password": "again"}))
                assert len(caught) == 2
        assert {warning.filename for warning in caught} == {__file__}
        await asyncio.gather(*handles)

    async def test_can_be_turned_off(self, service):
        """A setting turns the warning off."""
        async with service.client(warn_secrets=False) as client:
            await client.call(1, {"password": "hunter2"})

    async def test_raised_as_an_error(self, client, service):
        """Where warnings are errors, a call that is warned of is not made."""
        with pytest.raises(SecretInDataWarning):
            client.call(1, {"password": "hunter2"})
        await asyncio.sleep(1)
        assert service.seen == []


@attrs.frozen
class Input:
    seconds: float
    value: int


@attrs.frozen
class Output:
    total: int


class Loose(TypedDict):
    value: int


class TestBoundFunction:
    async def test_value(self, client):
        """`await fn(data)` is what the function returned, `fn.call(data)` the handle."""
        fn = client.function("double")
        assert await fn({"value": 3}) == 3
        assert (await fn.call({"value": 3})).status == "Completed"

    async def test_types(self, client, service):
        """With types, data is taken as one and the value built as the other."""
        assert await client.function(1, Input, int)(Input(seconds=2, value=7)) == 7
        assert service.of("start")[0].body["data"] == {"seconds": 2, "value": 7}
        assert await client.function(1, Output=Output)({"value": {"total": 3}}) == Output(3)
        assert await client.function(1, Loose)({"value": 5}) == 5

    async def test_other_data(self, client, service):
        """Data of another type is refused before anything is sent."""
        with pytest.raises(InvalidType, match=r"takes Input as its data: \$\.value: found nothing"):
            await client.function(1, Input)({"seconds": 1})
        assert service.seen == []

    async def test_mapping(self, client, service):
        """A mapping with the members of the input is taken for one."""
        assert await client.function(1, Input, int)({"seconds": 2, "value": 7}) == 7
        assert service.of("start")[0].body["data"] == {"seconds": 2, "value": 7}

    @pytest.mark.parametrize("types", [{"Input": complex}, {"Output": complex}, {"Output": "Reading"}])
    async def test_types_that_cannot_be_built(self, client, types):
        """A type that JSON cannot become is refused when the function is bound."""
        with pytest.raises(InvalidType, match=rf"^{next(iter(types))} is "):
            client.function(1, **types)

    async def test_other_value(self, client):
        """A value of another type raises, naming the path."""
        with pytest.raises(DecodeError, match=r"\$\.total"):
            await client.function(1, Output=Output)({"value": {"total": "three"}})


class TestFromEnv:
    async def test_reads_the_environment(self, service, monkeypatch):
        """The environment gives project, address and sign-in."""
        for name, value in {"CDF_PROJECT": "acme", "CDF_URL": "https://cdf.test", "CDF_TOKEN": "from-env"}.items():
            monkeypatch.setenv(name, value)
        async with Client.from_env(transport=service) as client:
            await client.call(1)
        assert {seen.headers["authorization"] for seen in service.seen} == {"Bearer from-env"}
        assert service.seen[0].url.startswith("https://cdf.test/api/v1/projects/acme/")

    def test_arguments_count_for_more(self, monkeypatch):
        """Arguments take precedence over the environment, also a cluster over an address from there."""
        monkeypatch.setenv("CDF_PROJECT", "acme")
        monkeypatch.setenv("CDF_URL", "https://cdf.test")
        client = Client.from_env(project="other", cluster="api", credentials=BearerToken("token"))
        assert (client.project, client.base_url) == ("other", "https://api.cognitedata.com")

    def test_one_address(self, monkeypatch):
        """A cluster beside an address is refused, not passed over."""
        monkeypatch.setenv("CDF_PROJECT", "acme")
        with pytest.raises(ConfigError, match="either base_url or cluster"):
            Client.from_env(base_url="https://cdf.test", cluster="api", credentials=BearerToken("token"))

    def test_missing(self):
        """An empty environment names the variables that are missing."""
        with pytest.raises(ConfigError, match="CDF_PROJECT and CDF_CLUSTER or CDF_URL"):
            Client.from_env()

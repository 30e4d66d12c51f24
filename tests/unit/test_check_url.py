from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from aiocdf.config import check_url, shown_url
from aiocdf.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://api.cognitedata.com", "https://api.cognitedata.com"),
        ("https://api.cognitedata.com/", "https://api.cognitedata.com"),
        ("HTTPS://API.CogniteData.com/Some/Path/", "https://api.cognitedata.com/Some/Path"),
        ("https://idp.test:8443/token", "https://idp.test:8443/token"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_good_url(url, normal) -> None:
    """A URL comes back in small letters up to the path and without a trailing slash, and then stays as it is."""
    assert check_url(url, what="base_url") == normal
    assert check_url(normal, what="base_url") == normal


@pytest.mark.parametrize(
    "host",
    [
        "idp.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "127.1",
        "0.0.0.0",
        "10.0.0.1",
        "[::]",
        "2130706433",
        "localhost.",
        "\uff4cocalhost",
        "\u0661\u0662\u0667.0.0.1",
    ],
)
def test_plain_http_off_loopback(host) -> None:
    """Statement 24: plain http is refused unless the host is loopback; the error says which URL and why."""
    with pytest.raises(ConfigError, match=r"^base_url http://.* is plain http, .* Use https\.$") as caught:
        check_url(f"http://{host}/token", what="base_url")

    assert host in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:80@evil.test", "https://me:s3cr3t@idp.test", "http://@localhost"])
def test_user_name(url) -> None:
    """Statement 24: a user name in front of the host, which may look like one, is refused; it is not quoted."""
    with pytest.raises(ConfigError, match="has a user name before its host") as caught:
        check_url(url, what="token_url")

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "part"), [("https://idp.test/?key=s3cr3t", "query"), ("https://idp.test/#s3cr3t", "fragment")]
)
def test_query_and_fragment(url, part) -> None:
    """A query or fragment is refused; it is not quoted."""
    with pytest.raises(ConfigError, match=rf"^token_url https://idp.test/ has a {part}") as caught:
        check_url(url, what="token_url")

    assert "s3cr3t" not in str(caught.value)


def test_query_of_an_endpoint() -> None:
    """Where a query is allowed it is kept as it is, and errors show the address without it; a fragment never is."""
    url = "https://idp.test/token?p=Policy&x=%2F"
    assert check_url(url, what="token_url", query=True) == url

    for bad in (
        "http://idp.test/token?p=s3cr3t",
        "https://idp.test/token?p=s3cr3t#x",
        "https://u@idp.test/token?p=s3cr3t",
    ):
        with pytest.raises(
            ConfigError, match=r"^token_url https?://idp\.test/token has|^token_url .* is plain"
        ) as caught:
            check_url(bad, what="token_url", query=True)
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://{cluster}.test", "https://idp.test/<tenant>/token", "https://idp.test/{tenantid}"]
)
def test_placeholder(url) -> None:
    """A placeholder that was copied from a document is named, before anything is sent to it."""
    with pytest.raises(ConfigError, match=r"^token_url https://.* has a placeholder"):
        check_url(url, what="token_url")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, "None"),
        ("https://idp.test/token", "'https://idp.test/token'"),
        ("https://me:s3cr3t@idp.test/token?code=s3cr3t", "'https://idp.test/token?...'"),
        ("http://u:12/s3cr3t@idp.test", "'http://idp.test'"),
        ("s3cr3t", "<not a URL>"),
        ("https://u:s3cr3t@[", "<not a URL>"),
        (5, "<not a URL>"),
    ],
)
def test_what_is_shown(url, shown) -> None:
    """Statement 16: a URL is shown without what may be secret, and what is not a URL is not shown."""
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "idp.test",
        "//idp.test",
        "ftp://idp.test",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://idp.test:0",
        "https://idp.test:99999",
        "https://idp.test:port",
        "https://[::1",
        "https://idp.test/a b",
        " https://idp.test",
        "https://idp.test\n",
        "https://idp\t.test",
        "http://localhost\\@evil.test",
        "https://idp.test\\evil",
        "https://idp.test/\udcff",
        None,
        b"https://idp.test",
        5,
    ],
)
def test_no_url(url) -> None:
    """What is not an absolute URL, or could be read in two ways, is refused."""
    with pytest.raises(ConfigError, match=r"^base_url is not an absolute URL"):
        check_url(url, what="base_url")


@given(
    st.text(alphabet="htps:/@\\?#[]%.0123456789 localevi\t\u3002\uff0f", max_size=40),
    st.sampled_from(["", "http://localhost", "http://127.0.0.1", "http://"]),
)
def test_what_passes_is_read_the_same_by_the_sender(text, start) -> None:
    """Statement 24: no URL passes as loopback or https that aiohttp would send elsewhere in plain text."""
    try:
        url = URL(check_url(start + text, what="base_url"))
    except (ConfigError, ValueError):
        return
    assert url.user is None
    assert url.scheme == "https" or url.host in LOOPBACK or url.host.startswith("127.")

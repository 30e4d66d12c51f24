from __future__ import annotations

from base64 import b64decode

import pytest

from aiocdf._http.proxies import Proxies
from aiocdf.errors import ConfigError


@pytest.mark.parametrize(
    ("variables", "url", "name"),
    [
        ({"https": "h:1"}, "https://cdf.test/x", "HTTPS_PROXY"),
        ({"all": "h:1"}, "https://cdf.test/x", "ALL_PROXY"),
        ({"all": "socks5://h:1", "https": "h:1"}, "https://cdf.test/x", "HTTPS_PROXY"),
        ({"http": "h:1"}, "https://cdf.test/x", None),
        ({"https": ""}, "https://cdf.test/x", None),
        ({"https": "h:1", "http": "h:1", "all": "h:1"}, "http://127.0.0.1:1/x", None),
        ({"https": "h:1", "no": "*"}, "https://cdf.test", None),
        ({"https": "h:1", "no": "a.test, cdf.test"}, "https://cdf.test", None),
        ({"https": "h:1", "no": ".test"}, "https://cdf.test", None),
        ({"https": "h:1", "no": "cdf.test:444"}, "https://cdf.test:444", None),
        ({"https": "h:1", "no": "cdf.test:444"}, "https://cdf.test", "HTTPS_PROXY"),
        ({"https": "h:1", "no": "::1"}, "https://[::1]:5", None),
        ({"https": "h:1", "no": "test"}, "https://cdftest", "HTTPS_PROXY"),
    ],
)
def test_which_variable(variables, url, name):
    """HTTPS_PROXY takes precedence over ALL_PROXY, and NO_PROXY over both; plain http has none."""
    assert Proxies(variables).variable(url) == name


@pytest.mark.parametrize(
    ("value", "url", "user"),
    [
        ("http://h:3128", "http://h:3128", None),
        ("h:3128", "http://h:3128", None),
        ("https://h", "https://h", None),
        ("http://u:p@h:1", "http://h:1", "u:p"),
        ("http://u:p%40%C3%A6@[::1]:1/", "http://[::1]:1", "u:p@æ"),
        ("u@h:1", "http://h:1", "u:"),
    ],
)
def test_address(value, url, user):
    """The address has no user in it; user name and password stand apart, unquoted."""
    proxy = Proxies({"https": value}).proxy()

    assert proxy.url == url
    sent = proxy.headers.get("Proxy-Authorization")
    assert (sent and b64decode(sent.removeprefix("Basic ")).decode()) == user
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize("value", ["socks5://h:1", "http://", "http://h:0", "http://h:x", "http://u:s3#cr3t@h:1", "//"])
def test_unusable(value, monkeypatch):
    """A value that is not a proxy's address is rejected without being quoted."""
    with pytest.raises(ConfigError, match="ALL_PROXY") as caught:
        Proxies({"all": value}).proxy()

    assert "cr3t" not in str(caught.value)


def test_none():
    """Without variables there is no proxy."""
    assert Proxies({"no": "*"}).proxy() is None

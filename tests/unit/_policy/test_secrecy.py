from __future__ import annotations

import time

import pytest

from aiocdf._policy.secrecy import looks_secret

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "dbPassword",
        "db-password",
        "user_pwd",
        "passphrase",
        "secret",
        "clientSecret",
        "client_secret",
        "CLIENT_SECRET",
        "MySecret",
        "secret_santa",
        "apiKey",
        "api_key",
        "API-KEY",
        "APIKey",
        "apikey",
        "x-api-key",
        "access_token",
        "refreshToken",
        "token",
        "Authorization",
        "private_key",
        "AWS_SECRET_ACCESS_KEY",
        "account.key",
        "credentials",
    ],
)
def test_telling_key(key) -> None:
    """Names that people give to secrets are known in every way of writing them; with nothing under them they are not."""
    assert looks_secret(key, "x")
    assert not looks_secret(key, "")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "max_tokens",
        "token_count",
        "tokens",
        "tokenizer",
        "secretary",
        "secretariat",
        "passwordless",
        "key",
        "public_key",
        "sort_key",
        "keyboard",
        "author",
        "authorization_date",
        "access_key_id",
        "monkey",
        "externalId",
        "passed",
        "compassion",
    ],
)
def test_innocent_key(key) -> None:
    """Names that only resemble those of secrets cause no warning."""
    assert not looks_secret(key, "some value")


@pytest.mark.parametrize(
    "value",
    [
        JWT,
        f"Authorization: Bearer {JWT}",
        "Bearer abcdefghijklmnopqrst",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "text\n-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ghp_" + "a1" * 18,
        "xoxb-123456789012-abc",
        "AKIAIOSFODNN7EXAMPLE",
        "postgres://me:s3cr3t@db.test:5432/x",
        "redis://:s3cr3t@cache.test",
        "postgresql+psycopg://me:p:w@db.test",
        "HTTPS://me:s3cr3t@host.test",
    ],
)
def test_telling_value(value) -> None:
    """The forms of well-known secrets are known under any name."""
    assert looks_secret("note", value)


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        "Bearer of good news",
        "eyJ",
        "eyJhbGciOiJSUzI1NiJ9",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "https://host.test:8443/path?x=1",
        "https://host.test/a:b@c",
        "https://me@host.test/",
        "mailto:me@host.test",
        "12:30@office",
        "ghp_short",
        "f3a1c0de" * 8,
        "key: value@home",
    ],
)
def test_innocent_value(value) -> None:
    """Text that only resembles a secret causes no warning."""
    assert not looks_secret("note", value)


@pytest.mark.parametrize(
    "unit",
    [
        "eyJ",
        "-eyJ",
        "eyJaaaaaaaa.",
        ".eyJaaaaaaaaa",
        "a:",
        "https://",
        "h://a:",
        "-----BEGIN ",
        "ghp_",
        "xoxb-",
        "Aa",
        "_",
        "AKIA",
        "9",
    ],
)
def test_no_text_takes_long(unit) -> None:
    """A megabyte made to mislead costs milliseconds, as key and as value."""
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    looks_secret("", text)
    assert time.process_time() - started < 0.1

    looks_secret(text, "x")
    assert time.process_time() - started < 2.0

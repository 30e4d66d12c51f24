"""The settings file of a function."""

from __future__ import annotations

import sys

import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.runtime import function_settings
from aiocdf.secret import Secret


def test_missing_file_has_no_settings(tmp_path):
    """A function needs no settings file."""
    assert function_settings.load(tmp_path) == {}


def test_all_settings(tmp_path):
    """Each setting has its type, and secrets are wrapped."""
    (tmp_path / "function.toml").write_text("""
        id = 9007199254740991
        name = "Double"
        description = "Doubles."
        owner = "me"
        timeout = 5
        function_path = "src/main.py"
        metadata = { team = "a" }
        secrets = { api-key = "s3cret" }
        env_vars = { A_1 = "x" }
    """)

    assert function_settings.load(tmp_path) == {
        "id": 9007199254740991,
        "name": "Double",
        "description": "Doubles.",
        "owner": "me",
        "timeout": 5.0,
        "function_path": "src/main.py",
        "metadata": {"team": "a"},
        "secrets": {"api-key": Secret("s3cret")},
        "env_vars": {"A_1": "x"},
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("timeuot", 1, "unknown timeuot: "),
        ("id", 0, "whole number"),
        ("id", True, "whole number"),
        ("id", 2**53, "whole number"),
        ("name", "", "1 to 140"),
        ("name", 5, "1 to 140"),
        ("description", "x" * 501, "1 to 500"),
        ("owner", "x" * 129, "1 to 128"),
        ("timeout", 0, "at most 600"),
        ("timeout", 601, "at most 600"),
        ("timeout", float("nan"), "at most 600"),
        ("timeout", "60", "at most 600"),
        ("timeout", True, "at most 600"),
        ("function_path", "/etc/handler.py", "below the function's folder"),
        ("function_path", "../handler.py", "below the function's folder"),
        ("function_path", "handler.txt", "below the function's folder"),
        ("function_path", "a" * 500 + ".py", "below the function's folder"),
        ("function_path", 1, "below the function's folder"),
        ("metadata", "x", "metadata must be a table"),
        ("metadata", {"a": 1}, "metadata must be a table"),
        ("metadata", {str(n): "" for n in range(17)}, "17 entries"),
        ("metadata", {"k" * 33: ""}, "more than 32"),
        ("metadata", {"k": "v" * 513}, "more than 512"),
        ("metadata", {str(n): "ø" * 300 for n in range(10)}, "4096 bytes"),
        ("secrets", {"k": 1}, "must be a table"),
        ("secrets", {str(n): "" for n in range(31)}, "31 entries"),
        ("secrets", {"token": "v"}, "reserved name 'token'"),
        ("secrets", {"indexUrl": "v"}, "reserved name 'indexUrl'"),
        ("secrets", {"API_KEY": "v"}, "lower-case letters"),
        ("secrets", {"k" * 16: "v"}, "1 to 15"),
        ("secrets", {"k": "v" * 25_000}, "25 kB in 'k'"),
        ("env_vars", {"A-B": "v"}, "letters, digits and underscores"),
        ("env_vars", {"A": "\0"}, "null character in 'A'"),
        ("env_vars", {str(n): "" for n in range(101)}, "101 entries"),
    ],
)
def test_broken_rules_are_errors(key, value, message):
    """The message names the file, the key and the rule."""
    with pytest.raises(ConfigError) as caught:
        function_settings.check({key: value}, "function.toml")

    assert str(caught.value).startswith("function.toml: ")
    assert key in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [{"api-key": "s3cret" * 5000}, {"API_KEY": "s3cret"}, {"token": "s3cret"}, {"k": "s3cret", "n": 1}],
)
def test_messages_hold_no_secret(value):
    """An error about secrets does not contain their values."""
    with pytest.raises(ConfigError) as caught:
        function_settings.check({"secrets": value}, "function.toml")

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [(b"id = = 1", "line 1"), (b"\xff", "utf-8")])
def test_broken_toml_is_an_error(tmp_path, content, message):
    """An error in TOML names the line."""
    (tmp_path / "function.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        function_settings.load(tmp_path)


class TestYaml:
    @pytest.fixture(autouse=True)
    def _yaml(self):
        pytest.importorskip("yaml")

    def test_yaml_says_the_same_as_toml(self, tmp_path):
        """The settings may be YAML."""
        (tmp_path / "function.yaml").write_text("id: 5\nsecrets:\n  key: v\n")

        assert function_settings.load(tmp_path) == {"id": 5, "secrets": {"key": Secret("v")}}

    def test_empty_file_has_no_settings(self, tmp_path):
        """A file with only comments has no settings."""
        (tmp_path / "function.yaml").write_text("# nothing yet\n")

        assert function_settings.load(tmp_path) == {}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"id: 1\nsecrets: {key: s3cret, s3cret", "is not valid YAML at line 2"),
            (b"- s3cret", "not a list"),
            (b"\xff", "utf-8"),
            (b"a: \x01", "is not valid YAML$"),
        ],
    )
    def test_broken_yaml_is_an_error_without_its_text(self, tmp_path, content, message):
        """An error in YAML names the line, but not its text, which may be a secret."""
        (tmp_path / "function.yaml").write_bytes(content)

        with pytest.raises(ConfigError, match=message) as caught:
            function_settings.load(tmp_path)

        assert "s3cret" not in str(caught.value)


def test_yaml_without_its_package_names_it(tmp_path, monkeypatch):
    """The message names the package to install."""
    (tmp_path / "function.yaml").write_text("id: 1")
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigError, match="PyYAML: install it"):
        function_settings.load(tmp_path)


def test_two_files_are_one_too_many(tmp_path):
    """Two settings files are an error."""
    (tmp_path / "function.toml").touch()
    (tmp_path / "function.yaml").touch()

    with pytest.raises(ConfigError, match=r"function\.toml and function\.yaml"):
        function_settings.load(tmp_path)

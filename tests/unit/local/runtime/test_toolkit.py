"""Modules of Cognite Toolkit, and other layouts of folders."""

from __future__ import annotations

import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.deployment import discover
from aiocdf.local.runtime.toolkit import ToolkitSchedule, read_schedules
from aiocdf.secret import Secret

FUNCTIONS = """
- name: Double it
  externalId: fn_double
  owner: someone
  metadata: {version: "1"}
  runtime: py311
  functionPath: ./src/main.py
  secrets: {key: s3cret}
  envVars: {PLACE: here}
  cpu: 2
  memory: 2.5
  indexUrl: https://user:pass@index.example/simple
  extraIndexUrls: [https://other.example/simple]
  dataSetExternalId: ds
- name: Another
  externalId: fn_other
"""
SCHEDULE = """
name: each minute
functionExternalId: fn_double
cronExpression: "* * * * *"
description: often
data: {x: 1}
authentication: {clientId: id, clientSecret: secret}
"""


@pytest.fixture(params=["functions", "."])
def module(tmp_path, request):
    folder = tmp_path / request.param
    (folder / "fn_double" / "src").mkdir(parents=True)
    (folder / "fn_double" / "src" / "main.py").write_text("def handle(data, client): return data")
    (folder / "fn_other").mkdir()
    (folder / "fn_other" / "handler.py").write_text("def handle(): return 1")
    (folder / "all.Function.yaml").write_text(FUNCTIONS)
    (folder / "one.Schedule.yaml").write_text(SCHEDULE)
    return folder


def test_functions_of_a_module(module, tmp_path):
    """The file has the settings of the functions. Their code is in folders named by external id."""
    double, other = discover(tmp_path)

    assert (double.external_id, double.name, double.path, double.error) == (
        "fn_double",
        "Double it",
        module / "fn_double",
        None,
    )
    assert (double.function_path, double.runtime, double.cpu, double.memory) == ("src/main.py", "py311", 2.0, 2.5)
    assert (double.owner, double.metadata, double.env_vars) == ("someone", {"version": "1"}, {"PLACE": "here"})
    assert double.secrets == {"key": Secret("s3cret")}
    assert double.index_url == Secret("https://user:pass@index.example/simple")
    assert double.takes_client
    assert (other.external_id, other.error, other.takes_client) == ("fn_other", None, False)
    assert "pass@" not in repr(double)


def test_schedules_of_a_module(module, tmp_path):
    """Schedules are read as values, without the credentials."""
    assert read_schedules(tmp_path) == (
        ToolkitSchedule(
            name="each minute",
            function_external_id="fn_double",
            cron_expression="* * * * *",
            description="often",
            data={"x": 1},
        ),
    )


def test_schedule_that_is_broken(module, tmp_path):
    """A missing key is named, with its file."""
    (module / "one.Schedule.yaml").write_text("name: x\nfunctionExternalId: f\n")

    with pytest.raises(ConfigError, match=r"one.Schedule.yaml: cronExpression "):
        read_schedules(tmp_path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("externalId: {{ variable }}", "{{ }}"),
        ("externalId: [", "not valid YAML"),
        ("3", "broken.Function.yaml must hold"),
        ("[3]", "broken.Function.yaml must hold"),
        ("name: x", "externalId"),
        ("externalId: ../out", "'../out'"),
        ("externalId: fn_double\ncpu: many", "cpu must be a number"),
        ("externalId: fn_double\nunknown: 1", "unknown unknown"),
        ("externalId: fn_absent", "folder 'fn_absent' with its code"),
    ],
)
def test_broken_file_is_a_failed_function(module, tmp_path, content, error):
    """An error in a file makes one function Failed, and the others are served."""
    (module / "all.Function.yaml").unlink()
    (module / "broken.Function.yaml").write_text(content)
    (module / "good.Function.yaml").write_text("externalId: fn_other")

    errors = [found.error for found in discover(tmp_path)]

    assert None in errors
    assert any(error in (text or "") for text in errors)


def test_changed_file_is_read_again(module, tmp_path):
    """A change of the settings is a change of the function."""
    before = discover(tmp_path)
    (module / "all.Function.yaml").write_text(FUNCTIONS.replace("memory: 2.5", "memory: 3"))

    assert discover(tmp_path)[0] != before[0]


def test_folder_may_be_one_function(tmp_path):
    """A folder with a handler and no functions below it is a function."""
    (tmp_path / "handler.py").write_text("def handle(): return 1")
    (tmp_path / "package").mkdir()

    (found,) = discover(tmp_path)

    assert (found.external_id, found.path, found.error) == (tmp_path.name, tmp_path, None)


def test_function_without_a_handler_py(tmp_path):
    """A settings file that names another file makes a folder a function."""
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "function.toml").write_text("function_path = 'main.py'")
    (tmp_path / "f" / "main.py").write_text("def handle(): return 1")

    (found,) = discover(tmp_path)

    assert (found.external_id, found.function_path, found.error) == ("f", "main.py", None)

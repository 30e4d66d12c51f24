"""What `handle` gets and returns, in real processes."""

from __future__ import annotations

import json

import pytest


async def test_response_is_json_text(stage):
    """What handle returned is the response, as JSON text."""
    stage.write("def handle(data): return {'value': 2 * data['x'], 'text': 'blåbær'}")

    outcome = await stage.run(x=21)

    assert outcome.status == "Completed"
    assert json.loads(outcome.response) == {"value": 42, "text": "blåbær"}
    assert (outcome.message, outcome.trace) == (None, None)


@pytest.mark.parametrize(("value", "response"), [("None", None), ("0", b"0"), ("''", b'""'), ("False", b"false")])
async def test_none_is_no_response_and_other_empty_values_are(stage, value, response):
    """Only None is no response."""
    stage.write(f"def handle(): return {value}")

    outcome = await stage.run()

    assert (outcome.status, outcome.response) == ("Completed", response)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", {}),
        ("secrets", {"secrets": {"key": "value"}}),
        ("data, function_call_info", {"data": {"x": 1}, "function_call_info": {"function_id": 1, "call_id": 7}}),
        ("*, data, secrets", {"data": {"x": 1}, "secrets": {"key": "value"}}),
    ],
)
async def test_handle_gets_the_arguments_that_it_names(stage, names, expected):
    """Each argument is passed if handle names it."""
    stage.write(f"def handle({names}): return locals()", settings="secrets = { key = 'value' }")

    outcome = await stage.run(x=1)

    assert json.loads(outcome.response) == expected


@pytest.mark.parametrize(
    "definition",
    [
        "def handle(**given): return sorted(given)",
        "def wrapper(**given): return sorted(given)\nhandle = wrapper",
        "import functools\ndef f(base, **given): return sorted(given)\nhandle = functools.partial(f, 1)",
    ],
)
async def test_handle_that_takes_any_argument_gets_all(stage, definition):
    """A handle with ** gets all four arguments."""
    stage.write(definition)

    outcome = await stage.run()

    assert json.loads(outcome.response) == ["client", "data", "function_call_info", "secrets"]


async def test_decorated_handle_gets_what_the_inner_one_names(stage):
    """A decorator that uses functools.wraps does not hide the arguments."""
    stage.write("""
        import functools
        def logged(function):
            @functools.wraps(function)
            def call(*args, **kwargs): return function(*args, **kwargs)
            return call
        @logged
        def handle(data): return data
    """)

    assert (await stage.run(x=1)).response == b'{"x": 1}'


async def test_scheduled_call_is_told_its_schedule(stage):
    """function_call_info has the schedule's id and time in scheduled calls."""
    stage.write("def handle(function_call_info): return function_call_info")

    outcome = await stage.invoke(schedule_id=3, scheduled_time=1_700_000_000_000)

    assert json.loads(outcome.response) == {
        "function_id": 1,
        "call_id": 7,
        "schedule_id": 3,
        "scheduled_time": 1_700_000_000_000,
    }


async def test_megabytes_go_both_ways(stage):
    """Data and responses larger than any pipe arrive whole."""
    stage.write("def handle(data): return data['text'] * 2")

    outcome = await stage.run(text="0123456789" * 800_000)

    assert len(outcome.response) == 16_000_002


async def test_stdin_is_empty(stage):
    """A function that reads its stdin finds the end of it."""
    stage.write("import sys\ndef handle(): return sys.stdin.read()")

    assert (await stage.run()).response == b'""'


async def test_env_vars_are_set_and_credentials_are_not(stage, monkeypatch):
    """The environment is the server's and the settings' without the server's credentials."""
    for name in ("CDF_TOKEN", "IDP_CLIENT_SECRET", "COGNITE_TOKEN", "ORDINARY"):
        monkeypatch.setenv(name, "from-the-server")
    stage.write(
        "import os\ndef handle(): return dict(os.environ)",
        settings="env_vars = { CDF_TOKEN = 'from-settings', OTHER = 'x' }",
    )

    environment = json.loads((await stage.run()).response)

    assert (environment["CDF_TOKEN"], environment["OTHER"]) == ("from-settings", "x")
    assert environment["ORDINARY"] == "from-the-server"
    assert not {"IDP_CLIENT_SECRET", "COGNITE_TOKEN"} & environment.keys()


async def test_secrets_are_in_neither_arguments_nor_environment(stage):
    """What can be seen of the process from outside holds no secret and no token."""
    stage.write(
        """
        from pathlib import Path
        def handle(): return "".join(Path("/proc/self", name).read_text() for name in ("cmdline", "environ"))
        """,
        settings="secrets = { key = 'the-secret' }",
    )

    response = (await stage.run()).response

    assert b"fork_server.py" in response
    assert b"the-secret" not in response
    assert b"token-of-the-session" not in response


async def test_function_imports_from_its_folder_and_not_from_the_server(stage):
    """The function's folder is the first on the path; the server's own modules are not on it."""
    stage.write("""
        import os, sys, neighbour
        def handle(): return [neighbour.NAME, sys.path[0] == os.getcwd(), any("aiocdf/local" in p for p in sys.path)]
    """)
    (stage.root / "f" / "neighbour.py").write_text("NAME = 'next door'")

    assert json.loads((await stage.run()).response) == ["next door", True, False]


async def test_handler_may_lie_deeper(stage):
    """function_path names the file; imports are still from the folder."""
    stage.write("def handle(): return 'unused'", settings="function_path = 'src/my-code/main.py'")
    (stage.root / "f/src/my-code").mkdir(parents=True)
    (stage.root / "f/src/my-code/main.py").write_text("import handler\ndef handle(): return handler.__name__")

    assert (await stage.run()).response == b'"handler"'


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("float('nan')", "$ is nan"),
        ("{'a': [1, float('-inf')]}", "$.a[1] is -inf"),
        ("{'a': {(): 2}}", "a key of $.a is of type tuple"),
        ("[{1, 2}]", "$[0] is of type set"),
        ("circle", "$[0] contains itself"),
        ("deep", "it is nested too deeply"),
    ],
)
async def test_response_that_is_no_json_fails_the_call(stage, value, fault):
    """What JSON cannot hold is refused, with the place of it."""
    stage.write(f"""
        circle = []
        circle.append(circle)
        deep = []
        for _ in range(100_000): deep = [deep]
        def handle(): return {value}
    """)

    outcome = await stage.run()

    assert (outcome.status, outcome.response) == ("Failed", None)
    assert outcome.message == f"TypeError: the return value is not JSON serializable: {fault}"


async def test_keys_become_text(stage):
    """The response is what json.dumps makes of the value, so keys that are numbers become text."""
    stage.write("def handle(): return {1: 2, True: 3, None: 4, 1.5: 5}")

    assert json.loads((await stage.run()).response) == {"1": 3, "null": 4, "1.5": 5}


async def test_async_handle_fails(stage):
    """The service runs no async handle, so neither do we; the message says what to do."""
    stage.write("async def handle(data): return data")

    outcome = await stage.run()

    assert outcome.status == "Failed"
    assert "async" in outcome.message
    assert stage.lines == []  # no warning of a coroutine that nobody awaited


async def test_exception_fails_the_call_with_the_functions_own_traceback(stage):
    """The message is the exception's, the trace is without the worker's frames."""
    stage.write("""
        def handle(data):
            return ratio(data["x"], 0)
        def ratio(a, b):
            return a / b
    """)

    outcome = await stage.run(x=1)

    assert (outcome.status, outcome.message) == ("Failed", "ZeroDivisionError: division by zero")
    trace = outcome.trace.splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[1] == f'  File "{stage.root}/f/handler.py", line 3, in handle'
    assert trace[-1] == "ZeroDivisionError: division by zero"
    assert "worker.py" not in outcome.trace


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("SystemExit(3)", "SystemExit: 3"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("Mute()", "Mute: the exception's own __str__ failed"),
        ("ValueError('x' * 1_000_000)", "ValueError: " + "x" * (64 * 1024 - 12)),
    ],
)
async def test_whatever_is_raised_fails_the_call_alone(stage, error, message):
    """Exits and odd exceptions fail the call, and the process goes on to the next."""
    stage.write(f"""
        import os
        class Mute(Exception):
            def __str__(self): raise RuntimeError
        def handle(data):
            if data: raise {error}
            return os.getpid()
    """)
    before = await stage.run()

    outcome = await stage.run(fail=True)

    assert (outcome.status, outcome.message) == ("Failed", message)
    assert await stage.run() == before


async def test_failed_import_fails_each_call_until_the_code_changes(stage):
    """A handler that cannot be imported fails call after call; corrected code runs."""
    stage.write("import no_such_module\ndef handle(): return 1")

    for _ in range(2):
        outcome = await stage.run()
        assert (outcome.status, outcome.message) == (
            "Failed",
            "ModuleNotFoundError: No module named 'no_such_module'",
        )
        assert outcome.trace.splitlines()[1] == f'  File "{stage.root}/f/handler.py", line 1, in <module>'

    stage.write("def handle(): return 1")
    assert (await stage.run()).response == b"1"


async def test_client_is_built_from_the_session(stage):
    """A function that names client gets a CogniteClient with the session's token, and no look for newer versions."""
    stage.write("def handle(client): return client")
    package = stage.root / "f" / "cognite" / "client"
    package.mkdir(parents=True)
    (package / "credentials.py").write_text("def Token(text): return ['Token', text]")
    (package / "__init__.py").write_text(
        "class global_config: disable_pypi_version_check = False\n"
        "def ClientConfig(**config): return config\n"
        "def CogniteClient(config): return {**config, 'check': not global_config.disable_pypi_version_check}\n"
    )

    assert json.loads((await stage.run()).response) == {
        "client_name": "aiocdf-local",
        "project": "local",
        "base_url": "http://127.0.0.1:8000",
        "credentials": ["Token", "token-of-the-session"],
        "check": False,
    }


async def test_client_without_the_sdk_says_what_to_install(stage):
    """Without cognite-sdk a function may take client, and fails only when it uses it."""
    stage.write("""
        import sys
        sys.modules["cognite"] = None  # what an absent package looks like, wherever this test runs
        def handle(client, data): return client.time_series if data else "unused"
    """)

    assert (await stage.run()).response == b'"unused"'
    outcome = await stage.run(use=True)
    assert outcome.message.startswith("ImportError: client.time_series needs the package cognite-sdk")
    assert "worker.py" not in outcome.trace


async def test_broken_sdk_is_not_taken_for_a_missing_one(stage):
    """When cognite-sdk is there but cannot be imported, the call fails with the reason."""
    stage.write("def handle(client): return 1")
    package = stage.root / "f" / "cognite" / "client"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import no_such_module")

    assert (await stage.run()).message == "ModuleNotFoundError: No module named 'no_such_module'"

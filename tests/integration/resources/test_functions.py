"""`client.functions` against a local server."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from aiocdf import (
    BadRequest,
    Conflict,
    FunctionNotReady,
    FunctionOptions,
    FunctionsStatus,
    FunctionStatus,
    InvalidArgument,
    InvalidType,
    NotFound,
    WaitExpired,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")
UNKNOWN = 2**53 - 1


@pytest_asyncio.fixture(loop_scope="package")
async def functions(client):
    """The resource, with the functions and files that a test made deleted after it."""
    served = {function.id for function in await client.functions.list()}
    yield client.functions
    await client.functions.delete([each for each in await client.functions.list() if each.id not in served])
    await client.files.delete([file async for file in client.files.list()])


@pytest.fixture
def code(tmp_path):
    """A folder with a function that returns what it is given."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "answer.py").write_text("def answer(*given):\n    return given\n")
    (tmp_path / "handler.py").write_text(
        "import os\n\nfrom lib.answer import answer\n\n\n"
        "def handle(data, secrets):\n"
        "    return answer(data, sorted(secrets), os.environ.get('MODE'), os.path.exists('notes.md'))\n"
    )
    (tmp_path / ".funcignore").write_text("*.md\n")
    (tmp_path / "notes.md").write_text("not for the service")
    return tmp_path


async def answer(client, function, **data):
    await client.functions.wait_until_ready(function)
    return await client.call(function, data).response()


async def test_folder(client, functions, code):
    """A folder becomes a function with all that it was given; what the ignore file names is not there."""
    made = await functions.create(
        "Score",
        folder=code,
        external_id="score",
        description="It scores",
        owner="me",
        secrets={"api-key": "hush-hush"},
        env_vars={"MODE": "test"},
        metadata={"team": "blue"},
        cpu=0.5,
        memory=1,
        runtime="py312",
    )
    assert (await functions.retrieve("score")).id == made.id
    assert (made.name, made.external_id, made.description, made.owner) == ("Score", "score", "It scores", "me")
    assert (made.secrets, made.metadata) == ({"api-key": "***"}, {"team": "blue"})
    assert (made.cpu, made.memory, made.runtime) == (0.5, 1, "py312")
    assert made.status is FunctionStatus.Queued


async def test_folder_runs(client, functions, code):
    """The handler runs with the files, secrets and environment variables that were deployed."""
    options: FunctionOptions = {"secrets": {"api-key": "hush-hush"}, "env_vars": {"MODE": "test"}}
    made = await functions.create("score", folder=str(code), **options)
    assert await answer(client, made, x=1) == [{"x": 1}, ["api-key"], "test", False]


async def test_handle(client, functions):
    """A function of this program becomes one of the service."""

    def area(data):
        import math

        return math.floor(math.pi * data["radius"])

    made = await functions.create("area", handle=area)
    assert await answer(client, made, radius=2) == 6


async def test_file(client, functions, code):
    """A function can be made of a file that was uploaded before, which stays when the service refuses the function."""
    package = await functions.package(code)
    assert sorted(package.files) == ["handler.py", "lib/answer.py"]
    file = await client.files.upload("code.zip", package.content)
    made = await functions.create("of a file", file_id=file.id, external_id="made")
    assert await answer(client, made, x=1) == [{"x": 1}, [], None, False]
    with pytest.raises(Conflict):
        await functions.create("again", file_id=file.id, external_id="made")
    assert await client.files.retrieve(file.id) == file


async def test_same_code_is_uploaded_once(client, functions, code):
    """Functions with the same code share a file, also those that are created at the same time."""
    first, second = await asyncio.gather(*(functions.create(name, folder=code) for name in "ab"))
    third = await functions.create("c", folder=code)
    assert first.file_id == second.file_id == third.file_id
    (file,) = await client.files.list()
    assert file.uploaded


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, InvalidArgument),
        ({"folder": ".", "file_id": 3}, InvalidArgument),
        ({"folder": ".", "requirements": ["numpy"]}, InvalidArgument),
        ({"folder": "nowhere"}, InvalidArgument),
        ({"folder": 3}, InvalidType),
        ({"file_id": "3"}, InvalidType),
        ({"file_id": 3, "secrets": {"Key": "hush-hush"}}, InvalidArgument),
        ({"file_id": 3, "data_set_id": 0}, InvalidArgument),
        ({"file_id": 3, "colour": "red"}, InvalidType),
        ({"handle": lambda data: data}, InvalidArgument),
        ({"file_id": 3, "cpu": 100}, InvalidArgument),
        ({"file_id": 3, "memory": 0.01}, InvalidArgument),
        ({"file_id": 3, "runtime": "py38"}, InvalidArgument),
    ],
)
@pytest.mark.parametrize("method", ["create", "create_or_replace"])
async def test_bad_arguments(functions, method, options, error):
    """What is not valid raises, and nothing is created."""
    before = await functions.list()
    with pytest.raises(error):
        await getattr(functions, method)("f", **{"external_id": "double"} | options)
    assert await functions.list() == before


async def test_folder_that_cannot_be_deployed(client, functions, code):
    """A handler that the service could not call is found before anything is uploaded, with file and line."""
    (code / "handler.py").write_text("\n\ndef handle(event): ...\n")
    with pytest.raises(InvalidArgument, match=r"handler\.py, line 3"):
        await functions.create("f", folder=code)
    with pytest.raises(InvalidArgument, match=r"main\.py"):
        await functions.create("f", folder=code, function_path="main.py")
    assert await client.files.list() == []


async def test_refused(client, functions, code):
    """When the service refuses a function, the code that was uploaded for it is deleted, but not that of another."""
    secrets = {"secrets": {"api-key": "hush-hush"}, "index_url": "https://me:quiet-now@pypi.test/simple"}
    with pytest.raises(Conflict):
        await functions.create("f", folder=code, external_id="double", **secrets)
    assert await client.files.list() == []
    made = await functions.create("f", folder=code)
    with pytest.raises(Conflict):
        await functions.create("f", folder=code, external_id="double")
    assert [file.id for file in await client.files.list()] == [made.file_id]


async def test_failed_deployment(functions, code):
    """A deployment that fails ends the wait with the end of the build log, and with more of it in the notes."""
    (code / "handler.py").write_text("import no_such_module\ndef handle(): ...\n")
    made = await functions.create("f", folder=code)
    with pytest.raises(FunctionNotReady, match="no_such_module") as caught:
        await functions.wait_until_ready(made)
    assert "no_such_module" in "".join(caught.value.__notes__)
    assert (await functions.retrieve(made)).status is FunctionStatus.Failed


async def test_wait_expires(functions, code):
    """A wait with a timeout ends in time, and the deployment continues."""
    (code / "handler.py").write_text("import time\ntime.sleep(0.4)\ndef handle(): ...\n")
    made = await functions.create("f", folder=code)
    with pytest.raises(WaitExpired):
        await functions.wait_until_ready(made, timeout=0.01)
    assert (await functions.wait_until_ready(made)).status is FunctionStatus.Ready


async def test_wait_for_nothing(functions):
    """A wait for a function that does not exist ends at once."""
    with pytest.raises(NotFound):
        await functions.wait_until_ready("nothing")


async def test_create_or_replace_creates(client, functions, code):
    """Without a function of that external id, one is created."""
    made = await functions.create_or_replace("f", folder=code, external_id="new")
    assert await answer(client, made) == [{}, [], None, False]


async def test_needs_external_id(functions, code):
    """What is to be replaced is found by an external id."""
    with pytest.raises(InvalidArgument, match="external_id"):
        await functions.create_or_replace("f", folder=code)


async def test_unchanged(client, functions, code, caplog):
    """A function that is as wanted already stays, and nothing is uploaded."""
    options = {"folder": code, "external_id": "f", "metadata": {"k": "v"}, "cpu": 2, "description": ""}
    made = await functions.create("f", **options)
    with caplog.at_level(logging.INFO, "aiocdf.functions"):
        assert (await functions.create_or_replace("f", **options)).id == made.id
    assert caplog.records == []


@pytest.mark.parametrize(
    "change", [{"description": "other"}, {"cpu": 3}, {"secrets": {"k": "hush-hush"}}, {"env_vars": {"MODE": "x"}}]
)
async def test_changed_settings(client, functions, code, change):
    """Another setting makes another function of the same code."""
    made = await functions.create("f", folder=code, external_id="f")
    replaced = await functions.create_or_replace("f", folder=code, external_id="f", **change)
    assert replaced.id != made.id
    assert replaced.file_id == made.file_id
    with pytest.raises(NotFound):
        await functions.retrieve(made)


async def test_changed_code(client, functions, code):
    """Other code makes another function; the old code is deleted, and calls by external id reach the new one."""
    made = await functions.create("f", folder=code, external_id="f")
    assert await answer(client, "f") == [{}, [], None, False]
    (code / "handler.py").write_text("def handle():\n    return 'new'\n")
    replaced = await functions.create_or_replace("f", folder=code, external_id="f")
    assert [file.id for file in await client.files.list()] == [replaced.file_id]
    assert replaced.file_id != made.file_id
    assert await answer(client, "f") == "new"


async def test_old_code_that_another_function_has(client, functions, code):
    """The old code stays if another function has it."""
    await functions.create("f", folder=code, external_id="f")
    other = await functions.create("g", folder=code)
    (code / "handler.py").write_text("def handle():\n    return 'new'\n")
    await functions.create_or_replace("f", folder=code, external_id="f")
    assert await answer(client, other) == [{}, [], None, False]
    assert other.file_id in [file.id for file in await client.files.list()]


async def test_schedules_are_kept(client, functions, code):
    """The schedules of a function that is replaced are created again, with their data."""
    made = await functions.wait_until_ready(await functions.create("f", folder=code, external_id="f"))
    await client.schedules.create("a", "0 0 1 1 *", function=made, data={"x": [1]}, description="once")
    await client.schedules.create("b", "0 0 2 1 *", function=made)
    replaced = await functions.create_or_replace("f", folder=code, external_id="f", owner="me")
    kept = sorted(await client.schedules.list(function=replaced), key=lambda schedule: schedule.name)
    assert [(each.name, each.cron_expression, each.description) for each in kept] == [
        ("a", "0 0 1 1 *", "once"),
        ("b", "0 0 2 1 *", None),
    ]
    assert [await client.schedules.input_data(each.id) for each in kept] == [{"x": [1]}, {}]
    assert len(await client.schedules.list()) == 2


async def test_retrieve_many(functions):
    """More functions than one request accepts are returned in the requested order, by either kind of id."""
    double, fails = await functions.retrieve("double"), await functions.retrieve("fails")
    assert await functions.retrieve_many(["fails", double.id, fails]) == [fails, double, fails]
    names = ["fails", *range(1, 15), "double"]
    assert await functions.retrieve_many(names, ignore_unknown=True) == [fails, double]
    with pytest.raises(NotFound):
        await functions.retrieve_many(names)
    assert await functions.retrieve_many([]) == []


@pytest.mark.parametrize("names", [3.5, [None], [""], ["a" * 256], [0], b"double"])
async def test_bad_functions(functions, names):
    """What does not name a function raises."""
    with pytest.raises((InvalidArgument, InvalidType)):
        await functions.retrieve_many(names)
    with pytest.raises((InvalidArgument, InvalidType)):
        await functions.delete(names)


async def test_list(functions, code):
    """Each condition narrows the list."""
    made = await functions.create(
        "f", folder=code, external_id="pre-f", owner="me", metadata={"a": "1", "b": "2"}, description="d"
    )
    now = datetime.now(UTC)
    minute = timedelta(minutes=1)
    for conditions in (
        {"name": "f"},
        {"owner": "me"},
        {"file_id": made.file_id},
        {"external_id_prefix": "pre"},
        {"metadata": {"a": "1"}},
        {"name": "f", "created_time": (now - minute, now + minute)},
    ):
        assert [each.id for each in await functions.list(**conditions)] == [made.id], conditions
    assert await functions.list(created_time=(now + minute, None)) == []
    await functions.wait_until_ready(made)
    assert made.id in [each.id async for each in functions.list(status="Ready")]
    assert await functions.list(status=FunctionStatus.Failed) == []
    assert len(await functions.list(limit=2)) == 2


@pytest.mark.parametrize(
    "conditions",
    [
        {"status": "Gone"},
        {"file_id": "x"},
        {"metadata": {"k": 1}},
        {"limit": 0},
        {"created_time": 3},
        {"owner": 3},
        {"external_id_prefix": ""},
    ],
)
async def test_bad_conditions(functions, conditions):
    """A condition that is not valid raises at once, before the list is read."""
    with pytest.raises((InvalidArgument, InvalidType)):
        functions.list(**conditions)


async def test_delete(functions, code):
    """Functions are deleted by either kind of id, also more than one request takes; unknown ones only on request."""
    made = [await functions.create("f", folder=code, external_id=f"f{number}") for number in range(12)]
    await functions.delete("f0")
    with pytest.raises(NotFound):
        await functions.delete(made[0])
    with pytest.raises(NotFound):
        await functions.delete(["f1", UNKNOWN])
    await functions.delete(made[0], ignore_unknown=True)
    await functions.delete([*made, *(f"f{number}" for number in range(12))], ignore_unknown=True)
    assert await functions.list(external_id_prefix="f", name="f") == []


async def test_delete_served(functions):
    """The local server refuses to delete what is in its folder."""
    with pytest.raises(BadRequest):
        await functions.delete("double")


async def test_activation(functions):
    """The local server's functions are activated."""
    assert await functions.status() is FunctionsStatus.activated
    assert await functions.activate() is FunctionsStatus.activated


async def test_limits(functions):
    """The limits are those of the server's cloud."""
    limits = await functions.limits()
    assert limits.cpu_cores.max == 3
    assert "py312" in limits.runtimes

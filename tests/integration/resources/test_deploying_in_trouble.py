"""What is left when deploying a function goes wrong on the way, at a local server."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import defaultdict

import pytest
import pytest_asyncio

from aiocdf import (
    BadRequest,
    FunctionNotReady,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ReplacementFailed,
    Retrying,
    Settings,
)
from aiocdf._http.transport import AiohttpTransport
from aiocdf._wire.http import Response

pytestmark = pytest.mark.asyncio(loop_scope="package")
CODE = "def handle(data):\n    return data\n"
LOST = "lost"


class Failing(AiohttpTransport):
    """Sends requests, of which those that a test names go wrong."""

    def __init__(self):
        super().__init__()
        self._faults = defaultdict(list)

    def fault(self, request, *outcomes):
        """Let the next requests, as in `POST /functions`, be answered so: a status, `LOST` for no answer, None for a good one."""
        self._faults[request] += outcomes

    async def send(self, request):
        path = re.sub(r".*?(/storage/\w+|/projects/\w+)", lambda found: found[1] * ("storage" in found[1]), request.url)
        words = f"{request.method} {re.split(r'[?]|(?<=upload)/', path)[0]}"
        outcome = self._faults[words].pop(0) if self._faults[words] else None
        if isinstance(outcome, int):
            body = json.dumps({"error": {"code": outcome, "message": "refused"}}).encode()
            return Response(status=outcome, headers={}, body=body, sent_at=0.0, received_at=0.0)
        response = await super().send(request)
        if outcome is LOST:
            raise ProtocolError(f"{request.name}: the connection broke")
        return response


@pytest.fixture
def transport():
    """What sends the client's requests."""
    return Failing()


@pytest_asyncio.fixture(loop_scope="package")
async def failing(server, transport):
    """A client of the server whose functions and files are deleted at the end."""
    settings = Settings(retrying=Retrying(attempts=3, base=0.01, cap=0.02))
    async with server.client(transport=transport, settings=settings) as client:
        served = {function.id for function in await client.functions.list()}
        yield client
        await client.functions.delete([each for each in await client.functions.list() if each.id not in served])
        await client.files.delete(await client.files.list())


@pytest.fixture
def code(tmp_path):
    """A folder with a function."""
    (tmp_path / "handler.py").write_text(CODE)
    return tmp_path


async def deployed(client, code):
    """A function that is Ready, with two schedules; its code changes then."""
    made = await client.functions.wait_until_ready(await client.functions.create("g", folder=code, external_id="g"))
    for name in ("a", "b"):
        await client.schedules.create(name, "0 0 1 1 *", function=made, data={"name": name})
    (code / "handler.py").write_text(f"{CODE}\n# changed\n")
    return made


async def test_answer_of_a_replacement_is_lost(failing, transport, code):
    """If the answer is lost, the function that replaces another is found, and the replacement continues."""
    made = await deployed(failing, code)
    transport.fault("POST /functions", LOST)
    replaced = await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert [each.id for each in await failing.functions.list(name="g")] == [replaced.id] != [made.id]
    assert len(await failing.schedules.list(function=replaced)) == 2


async def test_answer_of_a_creation_is_lost(failing, transport, code):
    """A function that was perhaps created keeps its code, and the error says that the service may have seen it."""
    transport.fault("POST /functions", LOST)
    with pytest.raises(ProtocolError, match="create function 'g'"):
        await failing.functions.create("g", folder=code, external_id="g")
    await failing.functions.wait_until_ready("g")


async def test_answer_of_a_deletion_is_lost(failing, transport, code):
    """A deletion whose answer gets lost is repeated, and finds nothing more to do."""
    await deployed(failing, code)
    transport.fault("POST /functions/delete", LOST)
    replaced = await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert len(await failing.schedules.list(function=replaced)) == 2


@pytest.mark.parametrize("outcome", [503, LOST])
async def test_upload_is_repeated(failing, transport, code, outcome):
    """An upload that fails on the way is repeated."""
    transport.fault("PUT /storage/upload", outcome, outcome)
    await failing.functions.wait_until_ready(await failing.functions.create("g", folder=code))


async def test_upload_fails(failing, transport, code):
    """An upload that fails for good raises, and the next attempt goes on with the same file."""
    transport.fault("PUT /storage/upload", 403)
    with pytest.raises(PermissionDenied, match=r"upload file \d+"):
        await failing.functions.create("g", folder=code)
    (started,) = await failing.files.list()
    assert not started.uploaded
    assert (await failing.functions.create("g", folder=code)).file_id == started.id


async def test_deletion_is_refused(failing, transport, code):
    """If the old function is not deleted, it keeps its schedules, and the new code is deleted."""
    made = await deployed(failing, code)
    transport.fault("POST /functions/delete", 403)
    with pytest.raises(PermissionDenied):
        await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert (await failing.functions.retrieve("g")).id == made.id
    assert [file.id for file in await failing.files.list()] == [made.file_id]
    assert len(await failing.schedules.list()) == 2


async def test_deletion_is_in_doubt(failing, transport, code):
    """When no answer says whether the old function was deleted, the error has all that it takes to go on."""
    made = await deployed(failing, code)
    transport.fault("POST /functions/delete", LOST, LOST, LOST)
    with pytest.raises(ReplacementFailed) as caught:
        await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert (caught.value.deleted.id, caught.value.created) == (made.id, None)
    assert len(caught.value.schedules) == 2


async def test_creation_is_refused(failing, transport, code):
    """When the new function is refused, the error has all that it takes to go on: the function and its schedules."""
    made = await deployed(failing, code)
    transport.fault("POST /functions", 400)
    with pytest.raises(ReplacementFailed) as caught:
        await failing.functions.create_or_replace("g", folder=code, external_id="g")
    error = caught.value
    assert (error.deleted.id, error.created) == (made.id, None)
    assert sorted((each.name, each.cron, each.data["name"]) for each in error.schedules) == [
        ("a", "0 0 1 1 *", "a"),
        ("b", "0 0 1 1 *", "b"),
    ]
    assert isinstance(error.__cause__, BadRequest)
    with pytest.raises(NotFound):
        await failing.functions.retrieve("g")
    assert [file.id for file in await failing.files.list()] == [made.file_id]


async def test_schedules_are_refused(failing, transport, code):
    """When a schedule is refused, the error has the new function and the schedules that are missing."""
    await deployed(failing, code)
    transport.fault("POST /functions/schedules", None, 400)
    with pytest.raises(ReplacementFailed) as caught:
        await failing.functions.create_or_replace("g", folder=code, external_id="g")
    error = caught.value
    assert error.created.id == (await failing.functions.retrieve("g")).id
    (made,) = await failing.schedules.list(function="g")
    (missing,) = error.schedules
    assert {made.name, missing.name} == {"a", "b"}
    await failing.schedules.create(missing.name, missing.cron, function=error.created, data=missing.data)


async def test_new_code_cannot_be_built(failing, code):
    """When the new function does not become Ready, the error has the build log and the schedules."""
    await deployed(failing, code)
    (code / "handler.py").write_text("import no_such_module\ndef handle(): ...\n")
    with pytest.raises(ReplacementFailed, match="no_such_module") as caught:
        await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert isinstance(caught.value.__cause__, FunctionNotReady)
    assert len(caught.value.schedules) == 2


async def test_cancelled(failing, code, caplog):
    """A replacement that is cancelled while schedules are missing names them in the log, and the cause has them."""
    await deployed(failing, code)
    (code / "handler.py").write_text("import time\ntime.sleep(0.4)\ndef handle(): ...\n")
    replacing = asyncio.create_task(failing.functions.create_or_replace("g", folder=code, external_id="g"))
    while "Deploying" not in {each.status for each in await failing.functions.list(name="g")}:
        await asyncio.sleep(0.01)
    with caplog.at_level(logging.WARNING, "aiocdf.functions"):
        replacing.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await replacing
    assert {"a", "b"} == {each.name for each in caught.value.__cause__.schedules}
    assert "'a'" in caplog.text


async def test_code_is_left(failing, transport, code, caplog):
    """If deleting the code fails, the error names it, or the log if nothing else failed."""
    transport.fault("POST /files/delete", 403)
    with pytest.raises(Exception, match="double") as caught:
        await failing.functions.create("g", folder=code, external_id="double")
    (left,) = await failing.files.list()
    assert str(left.id) in caught.value.__notes__[0]
    await deployed(failing, code)
    transport.fault("POST /files/delete", 403)
    await failing.functions.create_or_replace("g", folder=code, external_id="g")
    assert str(left.id) in caplog.text

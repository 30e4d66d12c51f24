"""Functions created through the API: the upload of their code, and its deployment."""

from __future__ import annotations

import asyncio
import io
import json
import stat
import zipfile

import pytest

from aiocdf.local import Limits, serve

pytestmark = pytest.mark.own_server

DOUBLE = 'def handle(data):\n    return {"value": 2 * data["x"]}\n'
ALL = "def handle(data, secrets, function_call_info):\n    import os\n    return [secrets['key'], os.environ['MODE']]\n"


def zipped(**files):
    """The bytes of a zip file. `__` in a name means a slash, and all files have the suffix `.py`."""
    return archive({name.replace("__", "/") + ".py": text for name, text in files.items()})


def archive(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return content.getvalue()


async def upload(api, content, **description):
    """The id of a new file with this content."""
    file = (await api.post("/files", {"name": "code.zip"} | description)).body
    async with api.session.put(file["uploadUrl"], data=content) as response:
        assert 200 == response.status, await response.text()
    return file["id"]


async def create(api, content, **function):
    """The response to the creation of a function with this code."""
    return await api.post("/functions", {"items": [{"name": "made", "fileId": await upload(api, content)} | function]})


async def deployed(api, answer):
    """The function when it is Ready or Failed."""
    assert 201 == answer.status, answer.body
    (function,) = answer.body["items"]
    while function["status"] in {"Queued", "Deploying"}:
        await asyncio.sleep(0.01)
        function = (await api.get(f"/functions/{function['id']}")).body
    return function


async def respond(api, function, **data):
    """The response of a call."""
    started = await api.post(f"/functions/{function['id']}/call", {"nonce": await api.nonce(), "data": data})
    call = await api.ended(started.body)
    return (await api.get(f"/functions/{function['id']}/calls/{call['id']}/response")).body.get("response", call)


async def test_file(api):
    """A file is uploaded to the URL from its creation, and is then shown as uploaded."""
    described = {"name": "a.zip", "externalId": "a", "mimeType": "application/zip", "metadata": {"k": "v"}}
    made = await api.post("/files", described)
    assert (201, False) == (made.status, made.body["uploaded"])
    assert described.items() < made.body.items()
    async with api.session.put(made.body["uploadUrl"], data=b"content") as response:
        assert 200 == response.status
    (shown,) = (await api.post("/files/byids", {"items": [{"externalId": "a"}]})).body["items"]
    assert shown["uploaded"]
    assert shown["uploadedTime"] >= shown["createdTime"]
    assert shown == (await api.get(f"/files/{shown['id']}")).body
    assert [shown] == (await api.get("/files?uploaded=true&name=a.zip&externalIdPrefix=a")).body["items"]
    assert [] == (await api.get("/files?uploaded=false")).body["items"]


async def test_download(api):
    """A download link works for some time and without a token."""
    file_id = await upload(api, b"content")
    (link,) = (await api.post("/files/downloadlink", {"items": [{"id": file_id}]})).body["items"]
    async with api.session.get(link["downloadUrl"]) as response:
        assert (200, b"content") == (response.status, await response.read())
        assert "attachment" == response.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("mime_type", "shown"),
    [
        ("text/html", "text/html"),
        ("text/html\r\nx: y", "application/octet-stream"),
        ("é/é", "application/octet-stream"),
    ],
)
async def test_type_of_a_download(api, mime_type, shown):
    """The download has the MIME type of the file if the type is valid."""
    file_id = await upload(api, b"content", mimeType=mime_type)
    (link,) = (await api.post("/files/downloadlink", {"items": [{"id": file_id}]})).body["items"]
    async with api.session.get(link["downloadUrl"]) as response:
        assert (200, shown) == (response.status, response.content_type)
        assert "x" not in response.headers


async def test_links_are_signed(api):
    """A URL is valid only for its own file and purpose."""
    made = (await api.post("/files", {"name": "a"})).body
    other = (await api.post("/files", {"name": "b"})).body
    url = made["uploadUrl"]
    for wrong in (url[:-1] + "x", url.replace(str(made["id"]), str(other["id"]))):
        async with api.session.put(wrong, data=b"x") as response:
            assert 403 == response.status
    async with api.session.get(url.replace("/upload/", "/download/")) as response:
        assert 403 == response.status


async def test_overwrite(api):
    """An existing external id is a conflict, unless the request overwrites the file: its id and content remain."""
    first = await upload(api, b"one", externalId="a")
    refused = await api.post("/files", {"name": "new", "externalId": "a"})
    assert (409, [{"externalId": "a"}]) == (refused.status, refused.error["duplicated"])
    assert 400 == (await api.post("/files?overwrite=true", {"name": "new"})).status
    again = await api.post("/files?overwrite=True", {"name": "new", "externalId": "a"})  # as Cognite's client sends it
    assert (first, "new", True) == (again.body["id"], again.body["name"], again.body["uploaded"])


async def test_deleted_file(api):
    """After a file is deleted, the function created from it remains."""
    function = await deployed(api, await create(api, zipped(handler=DOUBLE)))
    await api.post("/files/delete", {"items": [{"id": function["fileId"]}]})
    answer = await api.get(f"/files/{function['fileId']}")
    assert (400, [{"id": function["fileId"]}]) == (answer.status, answer.error["missing"])
    assert {"value": 4} == await respond(api, function, x=2)


async def test_too_large_file(root, connect):
    """A file above the limit is rejected, and no part of it is stored."""
    async with serve(root, limits=Limits(file_bytes=10)) as server:
        api = await connect(server)
        file = (await api.post("/files", {"name": "a"})).body
        async with api.session.put(file["uploadUrl"], data=b"x" * 11) as response:
            assert 400 == response.status
        assert not (await api.get(f"/files/{file['id']}")).body["uploaded"]


async def test_create(api):
    """A function created from an uploaded file becomes Ready, and runs like those of the folder."""
    description = {
        "externalId": "made",
        "description": "what it is for",
        "owner": "",
        "metadata": {"team": "blue"},
        "secrets": {"key": "hush"},
        "envVars": {"MODE": "test"},
        "functionPath": "src/main.py",
        "memory": 0.001,
    }
    function = await deployed(api, await create(api, zipped(src__main=ALL, src____init__=""), **description))
    assert ("Ready", {"key": "***"}) == (function["status"], function["secrets"])
    assert {"owner", "error", "lastCalled"}.isdisjoint(function)
    assert function["memory"] > 0.001
    assert ["hush", "test"] == await respond(api, function)
    assert function["id"] == await api.function_id("made")
    assert [function["id"]] == [
        item["id"]
        for item in (await api.post("/functions/list", {"filter": {"fileId": function["fileId"]}})).body["items"]
    ]


async def test_no_external_id(api):
    """A function may have no external id, and a filter by prefix does not match it."""
    function = await deployed(api, await create(api, zipped(handler=DOUBLE)))
    assert "externalId" not in function
    listed = (await api.post("/functions/list", {"filter": {"externalIdPrefix": "m"}})).body["items"]
    assert function["id"] not in {item["id"] for item in listed}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(other=DOUBLE), 'No Python module found at location "handler.py" in zip-file.'),
        (zipped(handler="def handle(:"), "handler.py"),
        (zipped(handler="x = 1"), "handle"),
        (b"no zip", "code file"),
        (archive({"../handler.py": DOUBLE}), "../handler.py"),
        (archive({"/handler.py": DOUBLE}), "/handler.py"),
        (archive({"a/../../handler.py": DOUBLE}), "a/../../handler.py"),
    ],
)
async def test_failed_deployment(api, content, words):
    """Code that is not valid makes the function Failed, with the reason."""
    function = await deployed(api, await create(api, content))
    assert "Failed" == function["status"]
    assert words in function["error"]["message"] + function["error"]["trace"]
    refused = await api.post(f"/functions/{function['id']}/call", {"nonce": await api.nonce()})
    assert 400 == refused.status


async def test_link_in_the_code(api, tmp_path):
    """A symbolic link in the code is rejected, because it could lead out of the folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        link = zipfile.ZipInfo("handler.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, str(tmp_path))
    function = await deployed(api, await create(api, content.getvalue()))
    assert "Failed" == function["status"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "items[0].name"),
        ({"name": "x" * 141}, "items[0].name"),
        ({"externalId": "x" * 256}, "items[0].externalId"),
        ({"externalId": ""}, "items[0].externalId"),
        ({"owner": "x" * 129}, "items[0].owner"),
        ({"description": "x" * 501}, "items[0].description"),
        ({"metadata": {"a": 1}}, "items[0].metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "items[0].metadata"),
        ({"secrets": {"Upper": "x"}}, "items[0].secrets"),
        ({"secrets": {"token": "x"}}, "items[0].secrets"),
        ({"envVars": {"a-b": "x"}}, "items[0].envVars"),
        ({"functionPath": "../handler.py"}, "items[0].functionPath"),
        ({"functionPath": 5}, "items[0].functionPath"),
        ({"cpu": 0}, "items[0].cpu"),
        ({"memory": 1000}, "items[0].memory"),
        ({"runtime": "py27"}, "items[0].runtime"),
        ({"indexUrl": "nowhere"}, "items[0].indexUrl"),
        ({"extraIndexUrls": "nowhere"}, "items[0].extraIndexUrls"),
        ({"fileId": 0}, "items[0].fileId"),
    ],
)
async def test_bad_function(api, change, field):
    """A function that breaks the document is rejected with the field's name, and no function is created."""
    before = (await api.get("/functions")).body
    answer = await create(api, b"x", **change)
    assert (400, field) == (answer.status, answer.error["message"].partition(" ")[0])
    assert before == (await api.get("/functions")).body


async def test_refused_secrets_are_not_shown(api, caplog):
    """An error about secrets contains none of them."""
    answer = await create(api, b"x", secrets={"key": "hush-hush" * 3_000})
    assert 400 == answer.status
    assert "hush" not in answer.error["message"] + caplog.text


@pytest.mark.parametrize("file_id", [2**53 - 1, None])
async def test_file_of_a_function(api, file_id):
    """The file of a function must exist, with content."""
    file_id = file_id or (await api.post("/files", {"name": "a"})).body["id"]
    answer = await api.post("/functions", {"items": [{"name": "a", "fileId": file_id}]})
    assert 400 == answer.status


@pytest.mark.parametrize("external_id", ["echo", "made"])
async def test_existing_external_id(api, external_id):
    """An external id may not be that of a function of the folder or of a created one."""
    await create(api, zipped(handler=DOUBLE), externalId="made")
    answer = await create(api, zipped(handler=DOUBLE), externalId=external_id)
    assert (409, [{"externalId": external_id}]) == (answer.status, answer.error["duplicated"])


async def test_delete(api):
    """A deleted function is unknown, and its external id is free again."""
    function = await deployed(api, await create(api, zipped(handler=DOUBLE), externalId="made"))
    call = await respond(api, function, x=1)
    answer = await api.post("/functions/delete", {"items": [{"externalId": "made"}]})
    assert (200, {}, {"value": 2}) == (answer.status, answer.body, call)
    assert 400 == (await api.get(f"/functions/{function['id']}")).status
    assert 201 == (await create(api, zipped(handler=DOUBLE), externalId="made")).status


async def test_delete_with_schedules(api):
    """Deleting a function deletes its schedules and revokes their sessions."""
    function = await deployed(api, await create(api, zipped(handler=DOUBLE), externalId="made"))
    item = {"name": "a", "cronExpression": "* * * * *", "functionId": function["id"], "nonce": await api.nonce()}
    (schedule,) = (await api.post("/functions/schedules", {"items": [item]})).body["items"]
    await api.post("/functions/delete", {"items": [{"externalId": "made"}]})
    (session,) = (await api.post("/sessions/byids", {"items": [{"id": schedule["sessionId"]}]})).body["items"]
    assert "REVOKED" == session["status"]
    assert [] == (await api.get("/functions/schedules")).body["items"]


async def test_delete_unknown(api):
    """Unknown functions are named, and no function is deleted; they can be ignored."""
    function = await deployed(api, await create(api, zipped(handler=DOUBLE), externalId="made"))
    items = [{"externalId": "made"}, {"externalId": "nowhere"}]
    refused = await api.post("/functions/delete", {"items": items})
    assert (400, items[1:]) == (refused.status, refused.error["missing"])
    assert 200 == (await api.get(f"/functions/{function['id']}")).status
    assert 200 == (await api.post("/functions/delete", {"items": items, "ignoreUnknownIds": True})).status
    assert 400 == (await api.get(f"/functions/{function['id']}")).status


async def test_delete_of_the_folder(api, root):
    """The server does not delete a function of the folder, which belongs to the user."""
    answer = await api.post("/functions/delete", {"items": [{"externalId": "echo"}]})
    assert 400 == answer.status
    assert (root / "echo" / "handler.py").exists()


async def test_restart(root, connect, tmp_path):
    """The next server with the same state has the functions and files that were created."""
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        function = await deployed(api, await create(api, zipped(handler=DOUBLE), externalId="made"))
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        assert function["id"] == await api.function_id("made")
        assert {"value": 4} == await respond(api, function, x=2)
        assert (await api.get(f"/files/{function['fileId']}")).body["uploaded"]


@pytest.mark.parametrize(
    ("cloud", "size", "minutes"), [("gcp", 9_000_000, 9), ("azure", 36_000, 10), ("aws", 240_000, 10)]
)
async def test_clouds(root, connect, cloud, size, minutes):
    """The clouds differ in the size of data, the timeout, the memory and the fields of the limits."""
    async with serve(root, cloud=cloud) as server:
        api = await connect(server)
        api.as_documented = cloud == "gcp"  # the others leave out what is documented as required
        limits = (await api.get("/functions/limits")).body
        assert (minutes, cloud == "gcp") == (limits["timeoutMinutes"], "responseSizeMb" in limits)
        body = json.dumps({"nonce": "x", "data": {"text": "x" * (size - 10)}}).encode()
        refused = await api.post("/functions/1/call", json=None, data=io.BytesIO(body))
        assert f"at most {size} " in refused.error["message"]

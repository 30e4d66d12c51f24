"""Cognite Toolkit deploys a module to the local server: a function with its code, and a schedule."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiocdf.local import LocalServer, serve

CDF = os.environ.get("AIOCDF_TEST_CDF") or shutil.which("cdf")
pytestmark = pytest.mark.skipif(CDF is None, reason="the command `cdf` of cognite-toolkit is not installed")

HANDLER = "def handle(data):\n    return {'value': 2 * data['x']}\n"
FILES = {
    "cdf.toml": '[cdf]\n\n[modules]\nversion = "{version}"\n',
    "config.dev.yaml": "environment:\n  name: dev\n  project: local\n  validation-type: dev\n  selected: [modules/]\n",
    "modules/mine/functions/twice/handler.py": HANDLER,
    # The rule wants a data set or a space for the code, which the local server does not have.
    "modules/mine/functions/twice.Function.yaml": (
        "# rules: ignore[INVALID-FIELD]\n"
        "name: twice\nexternalId: twice\nowner: me@example.com\nfunctionPath: handler.py\n"
        "metadata: {team: a}\nenvVars: {FACTOR: '2'}\nsecrets: {key: hush}\n"
    ),
    "modules/mine/functions/all.Schedule.yaml": (
        "- name: every minute\n  functionExternalId: twice\n  cronExpression: '* * * * *'\n  data: {x: 1}\n"
    ),
}
#: What `cdf build` writes for a function with a data set.
FILE = "name: twice.zip\nexternalId: twice\nmimeType: application/zip\n"
# It reports its use to other servers, unless a test runs or it cannot reach them.
QUIET = {"PYTEST_CURRENT_TEST": "toolkit", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}


async def cdf(folder: Path, *arguments: str, **environment: str) -> str:
    """What the command prints."""
    assert CDF is not None
    process = await asyncio.create_subprocess_exec(
        CDF,
        *arguments,
        cwd=folder,
        env=os.environ | QUIET | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    assert process.returncode == 0, output.decode()
    return output.decode()


async def schedules(server: LocalServer) -> list[dict[str, Any]]:
    """The schedules of the project, as the API shows them."""
    known = server.environment()
    form = {
        "grant_type": "client_credentials",
        "client_id": known["IDP_CLIENT_ID"],
        "client_secret": known["IDP_CLIENT_SECRET"],
    }
    async with aiohttp.ClientSession() as session:
        async with session.post(known["IDP_TOKEN_URL"], data=form) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
        async with session.get(f"{server.url}/api/v1/projects/local/functions/schedules", headers=headers) as response:
            return (await response.json())["items"]


async def test_build_and_deploy(tmp_path):
    """The function is Ready with its settings, can be called, and is unchanged for a second deployment."""
    project, served = tmp_path / "project", tmp_path / "served"
    (served / "other").mkdir(parents=True)
    (served / "other" / "handler.py").write_text(HANDLER)
    project.mkdir()
    version = (await cdf(project, "--version")).split()[-1].rstrip(".")
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text.replace("{version}", version))
    async with serve(served) as server, server.client() as client:
        environment = dict(server.environment())
        environment |= {"PROVIDER": "other", "CDF_CLUSTER": "local", "IDP_AUDIENCE": server.url}
        await cdf(project, "build", "--env", "dev", **environment)
        (archive,) = (project / "build" / "functions").glob("*.zip")
        archive.with_suffix(".FileMetadata.yaml").write_text(FILE)
        await cdf(project, "deploy", "--cdf-project", "local", **environment)

        assert await client.call("twice", {"x": 21}).response() == {"value": 42}
        function = await client.functions.retrieve("twice")
        assert (function.status, function.metadata["team"], function.env_vars) == ("Ready", "a", {"FACTOR": "2"})
        (schedule,) = await schedules(server)
        assert (schedule["cronExpression"], schedule["functionId"]) == ("* * * * *", function.id)

        await cdf(project, "deploy", "--cdf-project", "local", **environment)
        assert (await client.functions.retrieve("twice")).id == function.id

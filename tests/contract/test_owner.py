"""Only the owner has access to the server's files."""

from __future__ import annotations

import os
import stat

import pytest

from aiocdf.local import serve


@pytest.fixture
def careless():
    """A user with a umask of 0."""
    before = os.umask(0)
    yield
    os.umask(before)


async def test_files_of_the_state(root, connect, tmp_path, careless):
    """Other users have no access to the state, also in a folder that they may enter."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    async with serve(root, state=state) as server:
        api = await connect(server)
        await api.run("noisy")
        file = (await api.post("/files", {"name": "code.zip", "externalId": "code"}, headers={})).body
        async with api.session.put(file["uploadUrl"], data=b"PK") as response:
            assert response.status < 300
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert len(modes) > 3
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}

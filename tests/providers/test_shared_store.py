"""Processes of one user that share one sign-in, whose refresh token is good for one use."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import attrs
import pytest

from aiocdf.auth import AccessToken, AuthorizationCode, FileTokenStore
from aiocdf.errors import LoginRequired

SHARER = Path(__file__).with_name("sharer.py")
RENEWALS = 3


def credentials(provider, visit, folder: Path) -> AuthorizationCode:
    """The user's sign-in that is kept in a folder."""
    return AuthorizationCode(
        issuer=provider.issuer,
        client_id="desktop",
        scopes="read offline_access",
        open_browser=False,
        show_url=visit,
        store=FileTokenStore(folder),
    )


@pytest.fixture
async def folder(provider, transport, visit, tmp_path) -> Path:
    """A token store in which a user has signed in, for tokens that live one second."""
    await provider.set(life=1)
    folder = tmp_path / "state"
    await credentials(provider, visit, folder).fetch(transport)
    return folder


async def start(provider, folder: Path) -> asyncio.subprocess.Process:
    """Start a process that uses the sign-in."""
    return await asyncio.create_subprocess_exec(
        sys.executable, SHARER, provider.issuer, folder, str(RENEWALS), stderr=asyncio.subprocess.PIPE
    )


async def test_four_processes(provider, folder) -> None:
    """Statement 13: four processes at each expiry cost one renewal, use each refresh token once, and stay signed in."""
    await provider.set(life=1, before=50, after=50)
    processes = [await start(provider, folder) for _ in range(4)]

    complaints = await asyncio.gather(*(process.communicate() for process in processes))
    stats = await provider.stats()
    assert complaints == [(None, b"")] * 4
    assert stats["refused"] == {}
    assert RENEWALS <= stats["granted"]["refresh_token"] <= RENEWALS + 2


async def test_killed_process(provider, folder) -> None:
    """Statement 30: a process that is killed while it waits for the provider leaves a sign-in that others go on with."""
    await provider.set(life=1, before=3_600_000, times=1)
    victim = await start(provider, folder)
    while (await provider.stats())["requests"] == 0 and victim.returncode is None:
        await asyncio.sleep(0.05)
    survivor = await start(provider, folder)

    victim.kill()
    complaints = await asyncio.gather(victim.communicate(), survivor.communicate())
    assert complaints == [(None, b"")] * 2
    assert (await provider.stats())["refused"] == {}


@pytest.fixture
async def twenty(provider, transport, visit, tmp_path) -> list[AuthorizationCode]:
    """Twenty sign-ins, each in a folder of its own, for tokens that live one second."""
    await provider.set(life=1)
    signed_in = [credentials(provider, visit, tmp_path / str(number)) for number in range(20)]
    for one in signed_in:
        await one.fetch(transport)
    return signed_in


@pytest.mark.parametrize(("end", "lost"), [(signal.SIGINT, 0), (signal.SIGKILL, 20)], ids=["interrupted", "killed"])
async def test_ends_between_rotation_and_answer(provider, transport, twenty, end, lost) -> None:
    """Statement 13: of processes that end before the answer comes, those that cannot wait for it lose their sign-in."""
    for batch in (twenty[at : at + 5] for at in range(0, 20, 5)):
        await provider.set(life=1, after=4000)
        processes = [await start(provider, one.store._directory) for one in batch]
        while (await provider.stats())["granted"].get("refresh_token", 0) < len(batch):
            await asyncio.sleep(0.02)
        for process in processes:
            process.send_signal(end)
        await asyncio.gather(*(process.communicate() for process in processes))

    await provider.set()
    later = [attrs.evolve(one, ask_user=False).fetch(transport) for one in twenty]
    outcomes = await asyncio.gather(*later, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(LoginRequired) == lost
    assert {type(outcome) for outcome in outcomes} <= {LoginRequired, AccessToken}


async def test_files(folder) -> None:
    """Statement 30: what is kept belongs to the user alone."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert {file.stat().st_uid for file in folder.iterdir()} == {os.geteuid()}

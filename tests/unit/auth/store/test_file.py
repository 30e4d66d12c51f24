from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from aiocdf.auth import FileTokenStore
from aiocdf.auth.store import file
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files have modes and owners on POSIX only")


@pytest.fixture
def directory(tmp_path) -> Path:
    return tmp_path / "deep" / "state"


@pytest.fixture
def store(directory) -> FileTokenStore:
    return FileTokenStore(directory)


async def save(store, text="text") -> None:
    async with store.lock("a"):
        await store.save("a", Secret(text))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o177])
async def test_modes(store, directory, umask) -> None:
    """Statement 30: the directories that are made are 0700 and all files 0600, whatever the umask."""
    before = os.umask(umask)
    try:
        await save(store)
    finally:
        os.umask(before)

    assert {mode(directory), mode(directory.parent)} == {0o700}
    assert {path.name: mode(path) for path in directory.iterdir()} == {"a.json": 0o600, "a.lock": 0o600}


async def test_looking_makes_nothing(store, directory) -> None:
    """Who only looks leaves no traces."""
    assert await store.load("a") is None
    assert not directory.exists()


@pytest.mark.parametrize("others", [0o040, 0o004, 0o020, 0o666])
async def test_file_that_others_can_read(others, store, directory, caplog) -> None:
    """Statement 30: a file that is open to others counts as missing, and a warning says which."""
    await save(store)
    (directory / "a.json").chmod(0o600 | others)

    assert await store.load("a") is None
    assert f"{directory / 'a.json'} is not used" in caplog.text


async def test_link_in_place_of_a_file(store, directory, tmp_path) -> None:
    """Statement 30: a link is not followed, neither to read nor to write."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    elsewhere.chmod(0o600)
    await save(store)
    for name in ("a.json", "a.tmp"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(elsewhere)

    with pytest.raises(AuthError, match="cannot keep sign-ins in"):
        await store.load("a")
    await save(store, "new")
    assert (await store.load("a"), elsewhere.read_text()) == (Secret("new"), "mine")


async def test_link_in_place_of_the_lock(store, directory, tmp_path) -> None:
    """Statement 30: a link instead of the lock is refused."""
    directory.mkdir(parents=True, mode=0o700)
    (directory / "a.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(AuthError, match="cannot keep sign-ins in"):
        await save(store)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("others", [0o050, 0o007, 0o020])
async def test_directory_that_is_open(others, store, directory) -> None:
    """Statement 30: a directory that is open to others is refused, to read and to write, and the error says what to do."""
    await save(store)
    directory.chmod(0o700 | others)

    for use in (save(store), store.load("a")):
        with pytest.raises(ConfigError, match=f"chmod 700 {directory}"):
            await use


async def test_link_in_place_of_the_directory(store, directory, tmp_path) -> None:
    """Statement 30: a link to a directory is refused too."""
    directory.parent.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    directory.symlink_to(tmp_path / "elsewhere")

    for use in (save(store), store.load("a")):
        with pytest.raises(ConfigError, match="is not a directory"):
            await use


async def test_directory_of_another_user(store, directory, monkeypatch) -> None:
    """Statement 30: another user's directory is refused."""
    await save(store)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    for use in (save(store), store.load("a")):
        with pytest.raises(ConfigError, match="open to other users"):
            await use


@pytest.mark.parametrize("name", ["a.json", "a.lock"])
@pytest.mark.parametrize("kind", ["fifo", "directory"])
async def test_something_else_in_place_of_a_file(name, kind, store, directory) -> None:
    """Statement 30: an object that is not a file is refused at once, and named; a FIFO does not block."""
    await save(store)
    path = directory / name
    path.unlink()
    os.mkfifo(path, 0o600) if kind == "fifo" else path.mkdir(0o700)

    async with asyncio.timeout(5):
        with pytest.raises(AuthError, match=str(directory)):
            await (store.load("a") if name == "a.json" else save(store))


async def test_refusal_leaves_nothing_open(store, directory) -> None:
    """What is refused is closed again."""
    await save(store)
    (directory / "a.json").unlink()
    (directory / "a.json").mkdir()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(AuthError):
            await store.load("a")

    assert len(list(Path("/dev/fd").iterdir())) <= before


async def test_directory_that_cannot_be_made(tmp_path) -> None:
    """Where there can be no directory, the error names it."""
    (tmp_path / "file").touch()

    with pytest.raises(AuthError, match=f"cannot keep sign-ins in {tmp_path / 'file' / 'x'}"):
        await save(FileTokenStore(tmp_path / "file" / "x"))


async def test_writing_that_fails(store, directory, monkeypatch) -> None:
    """Statement 30: a full disk leaves what was kept before."""
    await save(store, "old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(AuthError, match="No space left on device"):
        await save(store, "new")
    assert await store.load("a") == Secret("old")


async def test_draft_that_was_left(store, directory) -> None:
    """The temporary file of a killed process does not disturb others."""
    await save(store)
    (directory / "a.tmp").write_text("half")

    await save(store, "new")
    assert await store.load("a") == Secret("new")
    assert not (directory / "a.tmp").exists()


async def test_cancelled_save_is_whole(store, monkeypatch) -> None:
    """Saving continues to its end after its waiter was cancelled."""
    monkeypatch.setattr(file, "_write", lambda path, text, write=file._write: (os.sched_yield(), write(path, text)))
    async with store.lock("a"):
        saving = asyncio.create_task(store.save("a", Secret("new")))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    assert await store.load("a") == Secret("new")


def test_state_directory(monkeypatch, tmp_path) -> None:
    """Sign-ins are kept where each system wants programs to keep such things."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert repr(FileTokenStore()) == f"FileTokenStore('{tmp_path}/.local/state/aiocdf')"
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert repr(FileTokenStore()) == "FileTokenStore('/state/aiocdf')"
    monkeypatch.setattr("sys.platform", "darwin")
    assert repr(FileTokenStore()) == f"FileTokenStore('{tmp_path}/Library/Application Support/aiocdf')"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert repr(FileTokenStore()) == "FileTokenStore('/local/aiocdf')"

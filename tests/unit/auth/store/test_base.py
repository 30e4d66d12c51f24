from __future__ import annotations

import asyncio
import sys
import types

import pytest

from aiocdf import _clock
from aiocdf.auth import FileTokenStore, KeyringTokenStore, MemoryTokenStore
from aiocdf.auth.store import base
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret


@pytest.fixture
def keyring(monkeypatch, tmp_path):
    """A keyring in memory, instead of the operating system's."""
    kept = {}
    module = types.ModuleType("keyring")
    module.kept = kept
    module.get_password = lambda service, key: kept.get((service, key))
    module.set_password = lambda service, key, text: kept.__setitem__((service, key), text)
    module.delete_password = lambda service, key: kept.pop((service, key))
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return module


@pytest.fixture(params=["memory", "file", "keyring"])
def store(request, tmp_path):
    """Each of the stores."""
    match request.param:
        case "memory":
            return MemoryTokenStore()
        case "file":
            return FileTokenStore(tmp_path / "state")
        case _:
            request.getfixturevalue("keyring")
            return KeyringTokenStore()


async def save(store, key, text) -> None:
    async with store.lock(key):
        await store.save(key, Secret(text))


async def test_nothing_is_kept(store) -> None:
    """A store that is new has nothing, and nothing to forget."""
    assert await store.load("a") is None
    async with store.lock("a"):
        await store.delete("a")


async def test_what_is_kept(store) -> None:
    """A text is kept under its key, replaced by the next, and forgotten when asked."""
    await save(store, "a", "one")
    await save(store, "b", "other")
    await save(store, "a", "tw\u00f6 \U0001f512")
    assert (await store.load("a"), await store.load("b")) == (Secret("tw\u00f6 \U0001f512"), Secret("other"))

    async with store.lock("a"):
        await store.delete("a")
    assert (await store.load("a"), await store.load("b")) == (None, Secret("other"))


async def test_lock(store) -> None:
    """One holds the lock at a time; the others get it one after the other, also where one fails while holding it."""
    held = []

    async def hold(number):
        async with store.lock("a"):
            held.append(number)
            await asyncio.sleep(0.01)
            assert held[-1] == number
            raise ZeroDivisionError

    outcomes = await asyncio.gather(*(hold(number) for number in range(4)), return_exceptions=True)
    assert sorted(held) == [0, 1, 2, 3]
    assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)


async def test_lock_that_is_never_free(store, monkeypatch) -> None:
    """A wait that takes too long ends with an error, and the loop runs meanwhile."""
    monkeypatch.setattr(base, "_PATIENCE", 0.1)
    async with store.lock("a"):
        started = _clock.monotonic()
        with pytest.raises(AuthError, match="another client or process has been renewing this sign-in"):
            async with store.lock("a"):
                pass
        assert _clock.monotonic() - started < 5.0


async def test_waiting_that_is_cancelled(store) -> None:
    """Who gives up waiting for the lock does not keep it from the others."""
    async with store.lock("a"):
        waiting = asyncio.create_task(store.lock("a").__aenter__())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5), store.lock("a"):
        pass


async def test_nothing_shows_a_text(store) -> None:
    """Statement 16: a store that holds tokens does not show them."""
    await save(store, "a", "s3cr3t")

    assert "s3cr3t" not in f"{store}{vars(store)}"


async def test_keyring_is_named(keyring) -> None:
    """The keyring shows its owner whose entries these are."""
    await save(KeyringTokenStore("my-app"), "a", "text")

    assert keyring.kept == {("my-app", "a"): "text"}


async def test_keyring_that_fails(keyring, shown) -> None:
    """A keyring that is not there is an error, not a reason to keep secrets elsewhere; it shows none of them."""
    keyring.set_password = lambda *_: 1 / 0

    with pytest.raises(AuthError, match="the keyring failed: ZeroDivisionError") as caught:
        await save(KeyringTokenStore(), "a", "s3cr3t")
    assert "s3cr3t" not in shown(caught.value)


async def test_keyring_that_is_not_installed(monkeypatch, keyring) -> None:
    """Without the extra, the error says how to get it."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(ConfigError, match=r"pip install 'aiocdf\[keyring\]'"):
        await KeyringTokenStore().load("a")

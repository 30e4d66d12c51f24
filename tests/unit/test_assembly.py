from __future__ import annotations

import asyncio

import pytest

from aiocdf._assembly import Opened


class Part:
    """A part that notes when it is closed, after a while or by an error."""

    def __init__(self, name: str, closed: list[str], *, takes: float = 0.0, fails: bool = False) -> None:
        self.name, self.closed, self.takes, self.fails = name, closed, takes, fails

    async def aclose(self) -> None:
        await asyncio.sleep(self.takes)
        if self.fails:
            raise ZeroDivisionError
        self.closed.append(self.name)


async def opened(closed: list[str], **engine) -> Opened:
    return Opened(
        loop=asyncio.get_running_loop(),
        transport=Part("transport", closed),
        source=Part("source", closed),
        engine=Part("engine", closed, **engine),
        resources=None,
    )


async def test_order() -> None:
    """Each part is closed before those that it needs."""
    closed = []
    await (await opened(closed)).aclose()

    assert closed == ["engine", "source", "transport"]


async def test_part_that_fails() -> None:
    """If closing one part fails, the others are closed."""
    closed = []
    with pytest.raises(ZeroDivisionError):
        await (await opened(closed, fails=True)).aclose()

    assert closed == ["source", "transport"]


async def test_cancelled_closing() -> None:
    """Closing that is cancelled ends the renewal of a token in its own way before the connections go."""
    closed = []
    closing = asyncio.create_task((await opened(closed, takes=60.0)).aclose())
    await asyncio.sleep(0)
    closing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await closing
    assert closed == ["source", "transport"]

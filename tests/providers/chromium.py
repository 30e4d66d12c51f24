"""A person at a real browser, played over Chromium's own debugging protocol: looks, clicks and types."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

import aiohttp

__all__ = ["Chromium"]

PROGRAM = shutil.which("chromium")
# What it would do of its own accord is left out: everything it asks for is on this machine.
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=900,900",
]
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
PATIENCE = 20.0


class Chromium:
    """One window of a browser with an empty profile.

    Args:
        profile: An empty folder.
    """

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # it has children
            self._process.wait()

    def open(self, url: str, *_: object) -> bool:
        """Start with a page, as `webbrowser.open` does."""
        self._process = subprocess.Popen(
            [PROGRAM, *OPTIONS, OFFLINE, f"--user-data-dir={self._profile}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return True

    async def look(self) -> None:
        """Turn to the window that `open` opens."""
        async with asyncio.timeout(PATIENCE):
            told = self._profile / "DevToolsActivePort"
            while not (told.exists() and told.read_text()):
                await asyncio.sleep(0.05)
            address = f"http://127.0.0.1:{told.read_text().split()[0]}/json/list"
            while not (pages := await self._pages(address)):
                await asyncio.sleep(0.05)
            self._window = await self._http.ws_connect(pages[0], max_msg_size=0)

    async def type(self, field: str, text: str) -> None:
        """Click a field, by its CSS selector, and type."""
        await self.click(field)
        await self._do("Input.insertText", text=text)

    async def click(self, target: str) -> None:
        """Wait for something to be there, scroll to it, and click in its middle."""
        box = f"""{{
            const target = document.querySelector({json.dumps(target)})
            target?.scrollIntoView({{ block: "center", behavior: "instant" }})
            const box = target?.getBoundingClientRect()
            box && [box.x + box.width / 2, box.y + box.height / 2]
        }}"""
        async with asyncio.timeout(PATIENCE):
            while not (place := await self.read(box)):
                await asyncio.sleep(0.05)
        for kind in ("mousePressed", "mouseReleased"):
            await self._do("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def read(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, None while there is no page to ask."""
        answer = await self._do("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("result", {}).get("value")

    async def sees(self, text: str) -> str:
        """Wait for a text to stand on the page, and return all of it."""
        async with asyncio.timeout(PATIENCE):
            while text not in (seen := str(await self.read("document.body?.innerText"))):
                await asyncio.sleep(0.05)
        return seen

    async def screenshot(self, path: Path) -> None:
        """Save what is seen."""
        answer = await self._do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["result"]["data"]))

    async def _pages(self, address: str) -> list[str]:
        async with self._http.get(address) as answer:
            return [page["webSocketDebuggerUrl"] for page in await answer.json() if page["type"] == "page"]

    async def _do(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._window.send_json({"id": number, "method": method, "params": parameters})
        while (answer := json.loads(await self._window.receive_str())).get("id") != number:
            pass
        return answer

"""The page of a local server in a real Chromium, played by playwright."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aiocdf.local import serve

CHROMIUM = shutil.which("chromium")
FUNCTIONS = {
    "double": 'def handle(data):\n    return {"value": 2 * data["x"]}\n',
    "boom": 'def handle(data):\n    print("about to fail")\n    return 1 / data["divisor"]\n',
    # It prints as it goes, and runs until the test makes the file.
    "gate": (
        "import pathlib, time\n"
        "def handle(data):\n"
        '    print("waiting", flush=True)\n'
        '    while not pathlib.Path(data["path"]).exists():\n'
        "        time.sleep(0.01)\n"
        '    print("opened", flush=True)\n'
        '    return "open"\n'
    ),
    "markup": 'def handle():\n    print("<img src=x onerror=document.title=1>")\n    raise ValueError("<b>bold</b>")\n',
    "broken": "def handle(:\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of functions."""
    folder = tmp_path / "functions"
    for name, code in FUNCTIONS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "handler.py").write_text(code)
    return folder


@pytest.fixture
async def server(root):
    """A server of these functions."""
    async with serve(root) as server:
        yield server


@pytest.fixture
async def browser():
    """A Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    async with playwright.async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


def is_complaint(message):
    """Whether a message of the console is of a fault: the answers to calls that are refused are none."""
    return message.type == "error" and not message.location["url"].endswith("/page/calls")


@pytest.fixture
async def open_page(browser, server):
    """Opens the page in a window of a width, and fails the test if the browser complains about anything."""
    complaints = []

    async def open_at(width=1440, height=900, **options):
        context = await browser.new_context(viewport={"width": width, "height": height}, **options)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(server.page_url)
        await page.get_by_text("Live", exact=True).wait_for()
        return page

    yield open_at
    assert [] == complaints

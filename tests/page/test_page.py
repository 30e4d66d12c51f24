"""What a person does at the page of the local server."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from aiocdf.local import serve

WIDTHS = {"phone": 360, "desk": 1440}


async def call(page, function, data):
    """Fill in the form and send it."""
    await page.get_by_label("Function", exact=True).select_option(label=function)
    await page.get_by_label("Data (JSON object)").fill(json.dumps(data))
    await page.get_by_role("button", name="Call", exact=True).click()


async def test_call_watched_to_its_end(open_page, tmp_path):
    """A call made in the form runs in view: its log grows, it ends, and its response is there."""
    page = await open_page()
    await call(page, "gate", {"path": str(tmp_path / "open")})
    log, state = page.get_by_role("log"), page.locator("#detail-state")
    await page.locator("#detail-log", has_text="waiting").wait_for()
    await page.locator("#detail-state", has_text="Running").wait_for()
    assert "opened" not in await log.inner_text()
    assert "1 of 100" in await page.locator("#limits").inner_text()
    assert 1 == await page.locator("#timeline rect.Running").count()

    (tmp_path / "open").touch()
    await page.locator("#detail-state", has_text="Completed").wait_for()
    assert "Completed" == await state.inner_text()
    assert "opened" in await log.inner_text()
    assert '"open"' == await page.get_by_label("Response").inner_text()
    await page.locator("#calls", has_text="Completed").wait_for()
    assert 1 == await page.locator("#timeline rect.Completed").count()


async def test_failure(open_page):
    """A call that fails shows its error, its traceback and its log."""
    page = await open_page()
    await call(page, "boom", {"divisor": 0})
    await page.locator("#detail-state", has_text="Failed").wait_for()
    failure = await page.get_by_label("Failure").inner_text()
    assert "division by zero" in failure
    assert "handler.py" in failure
    assert "about to fail" in await page.get_by_role("log").inner_text()
    await page.locator("#functions li", has_text="boom").get_by_text("1 failed").wait_for()


async def test_call_of_another_client(open_page, server):
    """A call that a client makes appears by itself, and can be chosen."""
    page = await open_page()
    async with server.client() as client:
        await client.call("double", data={"x": 21})
    await page.locator("#calls button", has_text="double").click()
    await page.get_by_label("Response").get_by_text("42").wait_for()
    assert "detail-title" == await page.evaluate("document.activeElement.id")


async def test_edit_while_it_is_open(open_page, root):
    """A function that is broken shows why, and is Ready soon after its file is mended."""
    page = await open_page()
    broken = page.locator("#functions li", has_text="broken")
    assert "line 1" in await broken.locator("summary").inner_text()
    (root / "broken" / "handler.py").write_text("def handle():\n    pass\n")
    await broken.get_by_text("Ready").wait_for()


async def test_function_that_comes_and_goes(open_page, root):
    """A function that is added gets its row, and one that is deleted loses it."""
    page = await open_page()
    names = page.locator("#timeline .name")
    await page.locator("#functions li", has_text="gate").wait_for()
    before = await names.all_inner_texts()
    shutil.copytree(root / "double", root / "zebra")
    await page.locator("#functions li", has_text="zebra").wait_for()
    await page.locator("#timeline .name", has_text="zebra").wait_for()
    assert [*before, "zebra"] == await names.all_inner_texts()
    shutil.rmtree(root / "zebra")
    await page.locator("#timeline .name", has_text="zebra").wait_for(state="detached")
    assert before == await names.all_inner_texts()
    assert "axis" == await page.evaluate("document.querySelector('#timeline').lastElementChild.className")


async def test_slow_snapshot(browser, server):
    """A page that is drawn before it knows anything shows everything once it does."""
    page = await browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    async def later(route):
        await asyncio.sleep(1.2)
        await route.continue_()

    await page.route("**/page/events", later)
    await page.goto(server.page_url)
    await page.locator("#timeline .name", has_text="gate").wait_for()
    await asyncio.sleep(0.6)
    assert [] == complaints


async def test_what_cannot_be_called(open_page):
    """Data that is not JSON, and a function that is not ready, are told at the form."""
    page = await open_page()
    await page.get_by_label("Data (JSON object)").fill("{x: 1}")
    await page.get_by_role("button", name="Call", exact=True).click()
    await page.get_by_role("alert").get_by_text("not valid JSON").wait_for()
    await call(page, "double", [1])
    await page.get_by_role("alert").get_by_text("data must be an object").wait_for()
    await call(page, "broken", {})
    await page.get_by_role("alert").get_by_text("not ready").wait_for()
    assert "No calls yet." == await page.locator("#no-calls").inner_text()


async def test_keyboard(open_page):
    """Everything is reached, and done, with the keyboard alone."""
    page = await open_page()
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    for expected in ("API reference", "function", "data", "Call"):
        await page.keyboard.press("Tab")
        assert expected == await page.evaluate(focused)
        if expected == "function":
            await page.keyboard.type("double")
        elif expected == "data":
            await page.keyboard.press("Control+A")
            await page.keyboard.type('{"x": 4}')
    await page.keyboard.press("Enter")
    await page.get_by_label("Response").get_by_text("8").wait_for()
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.closest('#calls') !== null"):
            break
    await page.keyboard.press("Enter")
    assert "detail-title" == await page.evaluate("document.activeElement.id")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
async def test_fits(open_page, width, scheme):
    """Nothing is wider than the window, whatever is shown."""
    page = await open_page(width, color_scheme=scheme)
    await call(page, "boom", {"divisor": 0, "long": "x" * 500})
    await page.locator("#detail-state", has_text="Failed").wait_for()
    assert width >= await page.evaluate("document.documentElement.scrollWidth")


async def test_markup_of_a_function_is_text(open_page):
    """What a function prints or raises is shown as text, and never becomes a part of the page."""
    page = await open_page()
    await call(page, "markup", {})
    await page.get_by_label("Failure").get_by_text("ValueError: <b>bold</b>", exact=True).wait_for()
    assert "<img src=x" in await page.get_by_role("log").inner_text()
    assert 0 == await page.locator("img").count()


async def test_key_stays_out_of_sight(open_page, server):
    """The key is not in the address that the browser shows; the page can be loaded again."""
    page = await open_page()
    assert f"{server.url}/page" == page.url
    await page.reload()
    await page.get_by_text("Live", exact=True).wait_for()


async def test_without_key(browser, server):
    """Without the key the page says where to find it, and shows nothing."""
    page = await browser.new_page()
    await page.goto(f"{server.url}/page")
    await page.get_by_role("alert").get_by_text("aiocdf serve prints").wait_for()
    assert 0 == await page.locator("#functions li").count()


async def test_server_that_starts_again(browser, root):
    """The page says that it has lost the server, tries again, and says when the key is no longer the server's."""
    page = await browser.new_page()
    async with serve(root) as first:
        port = int(first.url.rpartition(":")[2])
        await page.goto(first.page_url)
        await page.get_by_text("Live", exact=True).wait_for()
    await page.get_by_text("Not connected: trying again").wait_for()
    async with serve(root, port=port):
        await page.get_by_role("alert").get_by_text("restarted").wait_for()

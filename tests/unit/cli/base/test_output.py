from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from aiocdf.cli.base.output import cell, show_items, show_one
from aiocdf.models import CallStatus, FunctionCall, FunctionError

CALL = FunctionCall(
    id=12,
    function_id=3,
    status=CallStatus.Failed,
    start_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    error=FunctionError(message="[red] is not a colour", trace="line one\nline two"),
    extra={"later": 1},
)
COLUMNS = {"id": lambda call: call.id, "error": lambda call: call.error.message}


async def several(*items):
    for item in items:
        yield item


async def test_json_is_one_document(capsys):
    """Programs get all items as an array, by the names of the fields, without what is not known of them."""
    await show_items(several(CALL, CALL), COLUMNS, "json")

    first, second = json.loads(capsys.readouterr().out)
    assert first == second
    assert first["start_time"] == "2026-01-02T03:04:05+00:00"
    assert (first["id"], first["status"], first["error"]["message"]) == (12, "Failed", "[red] is not a colour")
    assert "extra" not in first


async def test_jsonl_is_an_object_on_each_line(capsys):
    """Each item is on a line of its own, and nothing else is written."""
    await show_items(several(CALL, CALL), COLUMNS, "jsonl")
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [12, 12]


async def test_table_is_plain_in_a_pipe(capsys):
    """A pipe gets a row on each line, names as they are, no colours and no spaces at the ends."""
    await show_items(several(CALL), COLUMNS, "table")

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "error"]
    assert row == "12  [red] is not a colour"


async def test_no_items(capsys):
    """People read that there are none; programs get an empty array, or no line."""
    for form, text in (("json", "[]\n"), ("jsonl", "")):
        await show_items(several(), COLUMNS, form)
        assert capsys.readouterr().out == text
    await show_items(several(), COLUMNS, "table")
    assert capsys.readouterr().out


def test_one_item(capsys):
    """A table leaves out what has no value; what is added stands below the fields."""
    show_one(CALL, "table", data={"x": 1})
    shown = capsys.readouterr().out
    assert "schedule id" not in shown
    assert "line two" in shown
    assert shown.splitlines()[-1].split() == ["data", "x:", "1"]

    show_one(CALL, "json", data={"x": 1})
    assert json.loads(capsys.readouterr().out)["data"] == {"x": 1}


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "yes"), (2.0, "2"), (["a", 1], "a, 1"), ({"a": 1, "b": None}, "a: 1")]
)
def test_cells(value, text):
    """Values in tables are short."""
    assert cell(value) == text

"""What Jupyter shows of models and lists."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiocdf import CallStatus, Function, FunctionCall, FunctionError, FunctionStatus, ItemList, Secret, Session
from aiocdf.models import SessionStatus

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _call(number: int, **fields: object) -> FunctionCall:
    return FunctionCall(id=number, function_id=7, status=CallStatus.Running, start_time=START, **fields)


def test_a_model_is_a_table_of_the_fields_that_say_something() -> None:
    """A row has a field's name and value; fields without a value, and those that the repr hides, have none."""
    function = Function(id=7, name="double", status=FunctionStatus.Ready, env_vars={"A": "b"}, metadata={"team": "x"})

    html = function._repr_html_()

    assert html.count("<tr>") == 4
    assert ">double<" in html
    assert ">team: x<" in html
    assert "env_vars" not in html


def test_text_of_the_service_stays_text() -> None:
    """Markup in a name or an error is escaped."""
    call = _call(1, error=FunctionError(message="<script>alert(1)</script>", trace="lines"))

    assert "<script>" not in call._repr_html_()
    assert "&lt;script&gt;alert(1)" in call._repr_html_()


def test_a_list_is_a_table_with_a_row_an_item() -> None:
    """Columns are the fields that any of the items has."""
    html = ItemList([_call(1), _call(2, schedule_id=3)])._repr_html_()

    assert html.count("<tr>") == 3
    assert "schedule_id" in html
    assert "2026-01-02 03:04:05 UTC" in html
    assert "scheduled_time" not in html


@pytest.mark.parametrize(("items", "rows"), [(0, 0), (100, 100), (250, 100)])
def test_a_long_list_shows_its_first_items(items: int, rows: int) -> None:
    """A table has at most a hundred rows, and says how many items there are."""
    html = ItemList(map(_call, range(1, items + 1)))._repr_html_()

    assert html.count("<tr>") == rows + 1
    assert f"<p>{items} items" in html


def test_a_list_of_plain_values_is_a_table_too() -> None:
    """Items that are not models stand in one column."""
    assert ">5<" in ItemList([5])._repr_html_()


def test_secrets_are_not_shown() -> None:
    """The nonce of a session stays hidden."""
    session = Session(id=1, status=SessionStatus.READY, nonce=Secret("the-nonce"))

    assert "the-nonce" not in session._repr_html_()

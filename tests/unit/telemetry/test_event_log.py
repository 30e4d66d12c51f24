from __future__ import annotations

import logging

import attrs
import pytest

from aiocdf import CallAccepted, RequestDone
from aiocdf.telemetry import EventLog

ACCEPTED = CallAccepted(number=1, function_id=2, call_id=3, waited=0.5)
DONE = RequestDone(name="create a session", status=201, attempt=1, seconds=0.1)


@pytest.mark.parametrize(("event", "name"), [(ACCEPTED, "call_accepted"), (DONE, "request_done")])
def test_records_have_the_events_name_and_fields(caplog, event, name):
    """A record has the event's name and its fields as attributes, also where a field is called as logging's own."""
    with caplog.at_level(logging.DEBUG, "aiocdf.events"):
        EventLog()(event)

    (record,) = caplog.records
    assert (record.name, record.levelname, record.event) == ("aiocdf.events", "DEBUG", name)
    assert record.fields == attrs.asdict(event)


def test_logger_and_level(caplog):
    """Records go to the logger and level that the user chose; below the logger's level there are none."""
    logger = logging.getLogger("mine")
    with caplog.at_level(logging.INFO, "mine"):
        EventLog(logger)(ACCEPTED)
        EventLog(logger, level=logging.WARNING)(ACCEPTED)

    assert [(record.name, record.levelname) for record in caplog.records] == [("mine", "WARNING")]

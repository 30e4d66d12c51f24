"""The feed of changes: it waits for no reader, and keeps a bounded number of changes for each."""

from __future__ import annotations

from aiocdf.local.api.feed import MOST_CHANGES, Feed
from aiocdf.local.state.records import Call


def call(call_id: int, status="Running") -> Call:
    return Call(id=call_id, function_id=1, status=status, start_time=0)


def test_newest_state_of_each_call():
    """A slow reader gets each changed call once, in its newest state."""
    feed = Feed()
    with feed.reader() as reader:
        feed.call_changed(call(1), "Queued")
        feed.call_changed(call(2), "Queued")
        feed.call_changed(call(1), "Running")
        assert {1: "Running", 2: "Queued"} == {change.call.id: change.state for change in reader.changes.values()}
        assert reader.news.is_set()


def test_reader_that_is_too_slow():
    """A reader that does not read has at most the maximum number of changes, and is notified that it missed some."""
    feed = Feed()
    with feed.reader() as reader:
        reader.missed = False
        for call_id in range(10 * MOST_CHANGES + 1):
            feed.call_changed(call(call_id), "Queued")
        assert len(reader.changes) <= MOST_CHANGES
        assert reader.missed


def test_reader_that_ends():
    """After a reader has ended, no changes are kept for it."""
    feed = Feed()
    with feed.reader() as reader, feed.log_reader(1) as grew:
        pass
    feed.call_changed(call(1), "Queued")
    feed.log_grew(1)
    feed.close()
    assert not reader.changes
    assert not reader.news.is_set()
    assert not grew.is_set()


def test_logs_of_other_calls():
    """A reader of a log is notified of that call only. All readers are notified of the end."""
    feed = Feed()
    with feed.log_reader(1) as one, feed.log_reader(1) as another, feed.log_reader(2) as other:
        feed.log_grew(1)
        assert (True, True, False) == (one.is_set(), another.is_set(), other.is_set())
        feed.close()
        assert other.is_set()
    assert feed.closed

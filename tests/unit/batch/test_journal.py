from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiocdf.batch.inputs import Fingerprint
from aiocdf.batch.journal import Identity, Journal, Outcome, Sending, holder_of
from aiocdf.batch.statuses import ENDED, InputStatus
from aiocdf.errors import AiocdfError, InvalidArgument, WrongState

IDENTITY = Identity(
    function="double", project="p", base_url="http://127.0.0.1:1", format="jsonl", key=None, inputs=Fingerprint(8, "ab")
)
DONE = Outcome(status=InputStatus.Completed, response='{"value":4}', ended=12.5)
HOLD = """
import asyncio, sys
from pathlib import Path
from aiocdf.batch.journal.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@asynccontextmanager
async def journal(path, identity=IDENTITY):
    async with Journal.open_for_run(path, identity, "in.jsonl", 10) as opened:
        yield opened


def sending(sent_from=1.0, session=None):
    return Sending(session=session, sent_from=sent_from, starts_after=None, clock=0.0)


@contextmanager
def holding(path):
    """Have another process hold the journal."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield other


async def results(opened, *, ordered=False):
    return [(entry.line, entry.status) async for rows in opened.results(ordered=ordered) for entry, _, _ in rows]


async def test_knows_after_reopening_where_inputs_stand(tmp_path):
    """What was noted is there in the next run, with ids, times and response."""
    async with journal(tmp_path / "j") as opened:
        await opened.submitting(1, None, sending(100.0, 77))
        await opened.submitting(2, None, sending(101.0, 78))
        opened.running(2, 5, 1234, 101.5)
        await opened.submitting(3, None, sending(102.0))
        opened.running(3, 5, 1235, 102.5)
        opened.ended(3, DONE)

    async with journal(tmp_path / "j") as opened:
        entries = await opened.entries(1, 10)
        assert {line: entry.status for line, entry in entries.items()} == {
            1: "Submitting",
            2: "Running",
            3: "Completed",
        }
        assert (entries[1].session, entries[1].sent_from) == (77, 100.0)
        assert (entries[2].function, entries[2].call, entries[2].started) == (5, 1234, 101.5)
        assert await opened.counts() == {"Submitting": 1, "Running": 1, "Completed": 1}
        ((entry, response, error),) = [row async for rows in opened.results(ordered=True) for row in rows]
        assert (entry.line, entry.ended, response, error) == (3, 12.5, '{"value":4}', None)
        assert await opened.calls_since(102.0) == {1235}


async def test_next_run_tells_when_nothing_was_sent_any_more(tmp_path):
    """A submission that was cut short has an end of its window: once, when the next process opens the journal."""
    async with journal(tmp_path / "j") as opened:
        await opened.submitting(1, None, sending(100.0))
    async with journal(tmp_path / "j") as opened:
        first = (await opened.entries(1, 1))[1].sent_until
    async with journal(tmp_path / "j") as opened:
        assert (await opened.entries(1, 1))[1].sent_until == first > 100.0


async def test_another_attempt_replaces_the_outcome(tmp_path):
    """An input that is submitted again has one outcome, the last, and its place is that of the last."""
    async with journal(tmp_path / "j") as opened:
        for line in (1, 2):
            await opened.submitting(line, None, sending())
            opened.ended(line, Outcome(status=InputStatus.Failed, error={"message": "no"}))
        await opened.submitting(1, None, sending(2.0))
        opened.ended(1, DONE)
        await opened.flush()

        assert await results(opened) == [(2, "Failed"), (1, "Completed")]
        assert await results(opened, ordered=True) == [(1, "Completed"), (2, "Failed")]


async def test_what_was_not_submitted_leaves_no_trace(tmp_path):
    """An input that was taken back is as if it had never been there."""
    async with journal(tmp_path / "j") as opened:
        await opened.submitting(1, None, sending())
        opened.withdrawn(1)
        await opened.flush()
        assert await opened.counts() == {}


async def test_unsent_input_has_an_outcome(tmp_path):
    """A line that is not valid data is counted and among the results."""
    async with journal(tmp_path / "j") as opened:
        opened.ended_unsent(4, '"k"', Outcome(status=InputStatus.Invalid, error={"message": "oops"}))
        await opened.flush()

        ((entry, _, error),) = [row async for rows in opened.results(ordered=False) for row in rows]
        assert (entry.line, entry.key, entry.status, json.loads(error)) == (4, '"k"', "Invalid", {"message": "oops"})


async def test_keys_are_taken_once(tmp_path):
    """The error of the second input has the line of the first, in later runs too."""
    async with journal(tmp_path / "j") as opened:
        assert await opened.take_keys({1: '"a"', 2: '"b"', 3: '"a"'}) == {3: 1}
    async with journal(tmp_path / "j") as opened:
        assert await opened.take_keys({1: '"a"', 2: '"b"', 3: '"a"', 4: '"c"'}) == {3: 1}


async def test_many_rows_share_a_commit(tmp_path):
    """Rows that come at the same time go to disk together, and each waits until its own are there."""
    async with journal(tmp_path / "j") as opened:
        before = opened._commits.commits
        await asyncio.gather(*(opened.submitting(line, None, sending()) for line in range(1, 101)))

        assert opened._commits.commits - before <= 2
        with sqlite3.connect(tmp_path / "j") as other:
            assert other.execute("SELECT COUNT(*) FROM input").fetchone() == (100,)
        other.close()


async def test_cancelled_wait_harms_no_one(tmp_path):
    """Rows of others are committed when the task of one is cancelled meanwhile."""
    async with journal(tmp_path / "j") as opened:
        tasks = [asyncio.create_task(opened.submitting(line, None, sending())) for line in range(1, 11)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)

        assert [type(each) for each in done if each is not None] == [asyncio.CancelledError]
        assert (await opened.counts())[InputStatus.Submitting] in {9, 10}


async def test_disk_that_is_full_is_told_and_nothing_more_is_written(tmp_path):
    """When a commit fails, its waiters and all later ones get the error: no POST may be sent."""
    async with journal(tmp_path / "j") as opened:
        await opened._database.execute("PRAGMA max_page_count = 8")
        for line in range(1, 100):
            opened.ended(line, Outcome(status=InputStatus.Completed, response="x" * 5000))
        with pytest.raises(AiocdfError):
            await opened.flush()
        with pytest.raises(AiocdfError):
            await opened.submitting(1000, None, sending())


async def test_only_its_owner_can_read_it(tmp_path):
    """Journal and side files have mode 0600, whatever the umask."""
    async with journal(tmp_path / "j") as opened:
        await opened.submitting(1, None, sending())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert modes == dict.fromkeys(["j", "j-wal", "j-shm", "j.lock"], 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["j"]


async def test_can_be_looked_at_while_it_is_written(tmp_path):
    """A reader sees what is committed, and whether another process holds the journal."""
    async with journal(tmp_path / "j") as opened:
        await opened.submitting(1, None, sending())
        async with Journal.open_to_read(tmp_path / "j") as reader:
            assert await reader.counts() == {InputStatus.Submitting: 1}
            assert (reader.identity, reader.total) == (IDENTITY, 10)
        assert holder_of(tmp_path / "j").pid == os.getpid()
    assert holder_of(tmp_path / "j") is None


async def test_second_process_is_refused_with_who_has_it(tmp_path):
    """Opening a journal that another process holds fails; after that process is killed, it works."""
    path = tmp_path / "j"
    with holding(path) as other:
        with pytest.raises(WrongState) as refused:
            async with journal(path):
                pass
        other.kill()

    assert f"process {other.pid} on " in str(refused.value)
    async with journal(path):
        pass


@pytest.mark.parametrize("content", [b"no database at all, but text", b""])
async def test_file_of_another_kind_is_refused(tmp_path, content):
    """A file that is something else is not touched, nor taken for a journal."""
    path = tmp_path / "j"
    path.write_bytes(content)

    with pytest.raises(InvalidArgument):
        async with Journal.open_to_read(path):
            pass
    assert path.read_bytes() == content


async def test_other_database_is_refused(tmp_path):
    """A database of another program is refused for writing, too."""
    other = sqlite3.connect(tmp_path / "j")
    other.execute("CREATE TABLE t (x)")
    other.close()

    with pytest.raises(InvalidArgument):
        async with journal(tmp_path / "j"):
            pass


async def test_missing_journal_is_told(tmp_path):
    """Nothing is made by looking."""
    with pytest.raises(InvalidArgument):
        async with Journal.open_to_read(tmp_path / "j"):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"function": 1},
        {"project": "q"},
        {"base_url": "http://127.0.0.1:2"},
        {"format": "csv"},
        {"key": "id"},
    ],
)
def test_identity_says_what_differs(change):
    """A journal of another function, project, address, format or key is not of this map, for a reason in words."""
    assert IDENTITY.differs_from(IDENTITY) is None
    assert attrs.evolve(IDENTITY, **change).differs_from(IDENTITY)


def test_identity_tells_changed_inputs():
    """The error for changed content has its size, or says that the size is the same."""
    assert IDENTITY.differs_in_inputs(IDENTITY) is None
    assert "8 bytes, and are 9" in attrs.evolve(IDENTITY, inputs=Fingerprint(9, "ab")).differs_in_inputs(IDENTITY)
    assert IDENTITY.differs_in_inputs(attrs.evolve(IDENTITY, inputs=Fingerprint(8, "cd")))


EVENTS = st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["submit", "run", "end", "unsent", "withdraw"])))


MOVES = {
    "submit": (None, InputStatus.Submitting),
    "run": (InputStatus.Submitting, InputStatus.Running),
    "end": (InputStatus.Running, InputStatus.Completed),
    "unsent": (None, InputStatus.Invalid),
    "withdraw": (InputStatus.Submitting, None),
}


async def note(opened: Journal, line: int, event: str) -> None:
    match event:
        case "submit":
            await opened.submitting(line, None, sending())
        case "run":
            opened.running(line, 1, 100 + line, 1.0)
        case "end":
            opened.ended(line, DONE)
        case "unsent":
            opened.ended_unsent(line, None, Outcome(status=InputStatus.Invalid))
        case "withdraw":
            opened.withdrawn(line)
            await opened.flush()


@settings(max_examples=settings.default.max_examples // 3)
@given(EVENTS, st.integers(0, 100))
def test_replay_stands_where_the_events_led(tmp_path_factory, events, cut):
    """Whatever happens to inputs, in which groups it is committed, a run that ends anywhere leaves what was noted."""
    path = tmp_path_factory.mktemp("journal") / "j"
    model: dict[int, InputStatus | None] = {}

    async def play() -> None:
        async with journal(path) as opened:
            for line, event in events[:cut]:
                before, after = MOVES[event]
                if model.get(line) is before:
                    await note(opened, line, event)
                    model[line] = after

    async def check() -> None:
        there = {line: status for line, status in model.items() if status is not None}
        async with journal(path) as opened:
            assert {line: each.status for line, each in (await opened.entries(1, 5)).items()} == there
            assert dict(await results(opened, ordered=True)) == {k: v for k, v in there.items() if v in ENDED}

    asyncio.run(play())
    asyncio.run(check())

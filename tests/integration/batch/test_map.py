"""The durable map against a local server that really runs the function."""

from __future__ import annotations

import asyncio
import json

import pytest

from aiocdf import ClientClosed, InvalidArgument, InvalidType, NotFound, WrongState, batch
from aiocdf.batch import InputStatus


async def until(condition) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it took too long")


async def test_each_input_has_one_result(bench, run):
    """Values, failures and bad lines are results with key, status, ids and times; none stops the others."""
    bench.write({"x": 1}, "oops", {"x": 3, "fail": True}, "[]", {"x": 5})

    summary = await run()

    first, bad, failed, _, _ = sorted(bench.results(), key=lambda result: result["key"])
    assert bench.statuses() == {1: "Completed", 2: "Invalid", 3: "Failed", 4: "Invalid", 5: "Completed"}
    assert (first["response"], first["error"]) == ({"twice": 2}, None)
    assert first["call_id"] > 0
    assert first["start_time"] <= first["end_time"]
    assert "line 2" in bad["error"]["message"]
    assert bad["call_id"] is None
    assert failed["error"]["type"] == "CallFailed"
    assert "ValueError: no 3" in failed["error"]["trace"]
    assert (summary.total, summary.done, summary.completed, summary.failed) == (5, 5, 2, 3)
    assert not summary.complete


async def test_done_inputs_are_not_run_again(bench, run):
    """A second run makes no call, and writes the same results."""
    bench.write(*({"x": x} for x in range(20)))
    await run(ordered=True)
    before = bench.out.read_text()

    summary = await run(ordered=True)

    assert summary.complete
    assert bench.out.read_text() == before
    assert set(bench.executed().values()) == {1}


async def test_failed_inputs_run_again_if_asked(bench, run):
    """With `retry_failed`, those alone are submitted again, once a run."""
    bench.write({"x": 1}, {"x": 2, "fail": True}, {"x": 3, "fail": True}, "oops")
    await run()
    assert (await run()).counts[InputStatus.Failed] == 2

    assert (await run(retry_failed=True)).counts[InputStatus.Failed] == 2
    bench.mend()
    summary = await run(retry_failed=True)

    assert summary.counts == {InputStatus.Completed: 3, InputStatus.Invalid: 1}
    assert bench.executed() == {1: 1, 2: 3, 3: 3}
    assert len(bench.results()) == 4


async def test_results_are_in_the_order_of_the_inputs_if_asked(bench, run):
    """`ordered` gives the order of the lines, else that of the ends."""
    bench.write(*({"x": x, "wait": x == 0} for x in range(30)))
    told = []
    running = asyncio.create_task(run(on_progress=told.append))
    await until(lambda: told and told[-1].done == 29)
    bench.let_go()
    await running

    assert bench.results()[-1]["key"] == 1
    await run(ordered=True)
    assert [result["key"] for result in bench.results()] == list(range(1, 31))


async def test_keys_are_those_of_a_field(bench, run):
    """With `key`, results are known by a field; a key that comes twice is told with the line that has it."""
    bench.write({"x": 1, "id": "a"}, {"x": 2, "id": 7}, {"x": 3, "id": "a"}, {"x": 4})

    await run(key="id", ordered=True)

    one, two, again, without = bench.results()
    assert (one["key"], two["key"]) == ("a", 7)
    assert (again["key"], again["status"]) == ("a", "Invalid")
    assert "line 1" in again["error"]["message"]
    assert (without["key"], without["status"]) == (4, "Invalid")
    assert bench.executed() == {1: 1, 2: 1}


async def test_csv_is_read_as_texts(bench, client):
    """A CSV file makes an object of texts of each row."""
    path = bench.folder / "inputs.csv"
    path.write_text("x,y\n1,2\n")

    await batch.map(client, "count", path, bench.out)

    assert bench.results()[0]["response"] == {"twice": "11"}


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"x": 1}\n{"x": 9}\n', "content"), ('{"x": 1}\n{"x": 2}\n{"x": 3}\n', "file of their own"), ("", "bytes")],
)
async def test_changed_inputs_are_refused(bench, run, content, words):
    """Inputs that are not what they were are refused with what differs, and nothing is sent."""
    bench.write({"x": 1}, {"x": 2})
    await run()
    before = bench.out.read_text(), bench.executed()
    bench.inputs.write_text(content)

    with pytest.raises(InvalidArgument) as refused:
        await run()

    assert words in str(refused.value)
    assert (bench.out.read_text(), bench.executed()) == before


async def test_journal_of_another_map_is_refused(bench, client, run):
    """So is the journal of another function."""
    bench.write({"x": 1})
    await run()

    with pytest.raises(InvalidArgument):
        await batch.map(client, "other", bench.inputs, bench.out)


async def test_files_of_others_are_left_alone(bench, run):
    """A file of results that no journal knows of is not replaced, and neither are the inputs."""
    bench.write({"x": 1})
    bench.out.write_text("mine")
    with pytest.raises(InvalidArgument):
        await run()
    assert bench.out.read_text() == "mine"

    bench.out.unlink()
    bench.out.symlink_to(bench.inputs)
    with pytest.raises(InvalidArgument):
        await run()
    assert not bench.journal.exists()


async def test_second_run_at_the_same_time_is_refused(bench, run):
    """While one run works on a journal, another is told who does."""
    bench.write({"x": 1, "wait": True})
    first = asyncio.create_task(run())
    await until(bench.executed)

    with pytest.raises(WrongState):
        await run()

    bench.let_go()
    assert (await first).complete


async def test_run_that_is_told_to_stop_lets_calls_end(bench, run):
    """After `stop`, calls that run are waited for, those in the queue never start, and the next run goes on."""
    bench.write(*({"x": x, "wait": True} for x in range(120)))
    stop = asyncio.Event()
    running = asyncio.create_task(run(stop=stop, max_pending=110))
    await until(lambda: bench.executed().total() >= 4)
    stop.set()
    await asyncio.sleep(0.5)
    bench.let_go()
    summary = await running

    assert 4 <= summary.done == summary.completed == len(bench.results()) < 120
    assert summary.running == 0
    assert summary.counts.keys() == {InputStatus.Completed}
    assert (await run()).complete
    assert bench.executed() == dict.fromkeys(range(120), 1)


async def test_cancelled_run_leaves_calls_that_the_next_attaches_to(bench, run):
    """Cancelling stops at once; the calls that run are followed by the next run, and executed once."""
    bench.write(*({"x": x, "wait": True} for x in range(4)))
    running = asyncio.create_task(run())
    await until(lambda: bench.executed().total() == 4)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    summary, holder = await batch.status(bench.journal)
    assert (summary.running, holder) == (4, None)

    bench.let_go()

    assert (await run()).complete
    assert bench.executed() == dict.fromkeys(range(4), 1)


async def test_fault_that_befalls_all_ends_the_run(bench, client, server):
    """A function that does not exist ends the run with its error; no input counts as failed."""
    bench.write({"x": 1}, {"x": 2})

    with pytest.raises(NotFound):
        await batch.map(client, "nowhere", bench.inputs, bench.out)

    summary, _ = await batch.status(bench.journal)
    assert (summary.total, summary.counts) == (2, {})
    assert bench.out.read_text() == ""


async def test_progress_is_told(bench, run):
    """The caller hears where things stand, to the end."""
    told = []
    bench.write(*({"x": x, "wait": x == 0} for x in range(10)))
    running = asyncio.create_task(run(on_progress=told.append))
    await until(lambda: told and told[-1].done == 9)
    assert (told[-1].running, told[-1].queued, told[-1].failed) == (1, 0, 0)
    bench.let_go()
    await running

    assert told[-1].complete
    assert told[-1].rate > 0


async def test_wrong_arguments_are_refused_before_anything_is_sent(bench, run, server):
    """Settings of another kind, a closed client, a folder that is not there."""
    bench.write({"x": 1})
    client = server.client()
    with pytest.raises(WrongState):
        await batch.map(client, "count", bench.inputs, bench.out)
    async with client:
        with pytest.raises(InvalidType):
            await batch.map(client, "count", bench.inputs, bench.out, settings={"ordered": True})
        with pytest.raises(InvalidArgument):
            await batch.map(client, "count", bench.inputs, bench.folder / "nowhere" / "out.jsonl")
    with pytest.raises(ClientClosed):
        await batch.map(client, "count", bench.inputs, bench.out)
    assert not bench.executed()


async def test_secrets_stay_out_of_the_journal(bench, run, client, server):
    """Neither tokens nor nonces nor the client's secret are in any file that is left."""
    bench.write({"x": 1}, {"x": 2, "fail": True})
    await run()

    secrets = [server.environment()["IDP_CLIENT_SECRET"], (await client.login()).secret.reveal()]
    for path in bench.folder.glob("results.jsonl*"):
        content = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == []
        assert b"nonce" not in content.lower()


async def test_values_are_kept_as_they_are(bench, client):
    """Texts of any script, and nested values, come out as the function returned them."""
    function = bench.folder / "functions" / "echo"
    function.mkdir()
    (function / "handler.py").write_text("def handle(data):\n    return data\n")
    values = [{"text": "Ærø\u2028\U0001f41f\u007f"}, {"nested": [{"a": None}, 1.5, [True]]}, {}]
    bench.inputs.write_text("".join(json.dumps(value) + "\n" for value in values))

    await batch.map(client, "echo", bench.inputs, bench.out, settings=batch.MapSettings(ordered=True))

    assert [result["response"] for result in bench.results()] == values

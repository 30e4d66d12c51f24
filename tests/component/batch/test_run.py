"""What the errors of the service mean for the inputs of a durable map."""

from __future__ import annotations

import asyncio
import json

import pytest

from aiocdf import AuthError, BearerToken, ConnectError, InvalidType, ProtocolError, batch
from aiocdf.batch import InputStatus

# The idle turns leave the journal's thread some real time in which virtual time stands still.
pytestmark = pytest.mark.looptime(noop_cycles=42)


@pytest.fixture
def run(tmp_path, client):
    """Runs a map of these inputs, and returns its summary and its results."""

    async def run(*inputs, using=client, **settings):
        (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in inputs))
        summary = await batch.map(
            using,
            1,
            tmp_path / "in.jsonl",
            tmp_path / "out.jsonl",
            settings=batch.MapSettings(ordered=True, **settings),
        )
        return summary, results(tmp_path)

    return run


def results(folder):
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


async def test_call_that_may_have_started_is_uncertain(run, service):
    """It is not submitted again, in later runs neither, unless the user says so."""
    inputs = {"n": 1}, {"n": 2}
    service.fault("start", service.late(ProtocolError("reset")))

    async def someone_else() -> None:
        while not service.count("start"):
            await asyncio.sleep(0.001)
        service.start(1)

    (summary, (first, second)), _ = await asyncio.gather(run(*inputs), someone_else())
    assert summary.counts == {InputStatus.Uncertain: 1, InputStatus.Completed: 1}
    (uncertain,) = [result for result in (first, second) if result["status"] == "Uncertain"]
    assert uncertain["error"]["type"] == "SubmissionUncertain"
    assert (await run(*inputs, retry_failed=True))[0].counts == summary.counts
    assert len(service.calls) == 3

    assert (await run(*inputs, retry_uncertain=True))[0].complete
    assert len(service.calls) == 4


async def test_call_that_is_refused_is_refused_alone(run, service):
    """A 400 for one call is its result, and another try is for `retry_failed`."""
    service.fault("start", service.error(400, "data is too deep"))

    summary, _ = await run({"n": 1}, {"n": 2})
    assert summary.counts == {InputStatus.Refused: 1, InputStatus.Completed: 1}
    assert (await run({"n": 1}, {"n": 2}))[0].counts == summary.counts
    assert (await run({"n": 1}, {"n": 2}, retry_failed=True))[0].complete
    assert len(service.calls) == 2


async def test_call_that_times_out_has_that_status(run):
    """Calls that the service stopped are counted apart from calls that failed."""
    summary, (stopped, failed) = await run({"timeout": True}, {"error": {"message": "no", "trace": "line 1"}})

    assert summary.counts == {InputStatus.Timeout: 1, InputStatus.Failed: 1}
    assert (stopped["status"], failed["status"]) == ("Timeout", "Failed")
    assert failed["error"]["trace"] == "line 1"


async def test_call_that_is_lost_is_looked_for_again(run, service):
    """A call of which the service knows nothing is lost, and the next run attaches to it instead of making another."""
    service.start = lambda function, start=service.start, **data: _forgotten(service, start(function, **data))

    summary, (lost,) = await run({"seconds": 5})
    assert (summary.counts, lost["error"]["type"]) == ({InputStatus.Lost: 1}, "CallLost")
    assert lost["call_id"] in service.calls

    service.forgotten.clear()
    summary, _ = await run({"seconds": 5}, retry_failed=True)
    assert summary.complete
    assert len(service.calls) == 1


def _forgotten(service, call):
    service.forgotten.add(call.id)
    return call


async def test_response_that_cannot_be_read_is_read_by_the_next_run(run, service):
    """A call whose response is not there completed, and is not made again."""
    service.fault("response", service.error(404, "not there"))

    summary, (result,) = await run({"value": 7})
    assert (summary.counts, result["response"]) == ({InputStatus.Lost: 1}, None)
    _, (result,) = await run({"value": 7})
    assert (result["status"], result["response"]) == ("Completed", 7)
    assert len(service.calls) == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [("start", ConnectError("down")), ("response", ProtocolError("reset")), ("session", ConnectError("down"))],
)
async def test_trouble_of_all_ends_the_run_and_no_input(run, service, tmp_path, kind, error):
    """Trouble that lasts is raised; inputs that wait, and calls whose response could not be read, are for the next run."""
    inputs = [{"value": n} for n in range(20)]
    service.always(kind, error)
    with pytest.raises(type(error)):
        await run(*inputs)
    assert results(tmp_path) == []
    summary, _ = await batch.status(tmp_path / "out.jsonl.journal")
    assert not summary.counts.keys() - {InputStatus.Running}

    service.always(kind, None)
    # Virtual time leaps while the journal's thread writes, so that no wait of this client's may have an end.
    async with service.client(patience=None, connect_patience=None) as another:
        summary, found = await run(*inputs, using=another)
    assert summary.complete
    assert [result["response"] for result in found] == list(range(20))
    assert len(service.calls) == 20


async def test_refused_sign_in_ends_the_run(run, service, tmp_path):
    """Without a token nothing is submitted, and no input counts as failed."""

    def refuse():
        raise RuntimeError("no token today")

    async with service.client(credentials=BearerToken(refuse)) as client:
        with pytest.raises(AuthError):
            await run({"n": 1}, using=client)
    summary, _ = await batch.status(tmp_path / "out.jsonl.journal")
    assert summary.counts == {}


async def test_data_that_cannot_be_sent_is_invalid(run, service, client):
    """What the client refuses is the input's own fault: here, numbers that JSON does not have, and too much data."""
    async with service.client(payload_limit=30) as small:
        summary, (nan, large, _) = await run({"n": float("nan")}, {"n": "x" * 50}, {"n": 3}, using=small)

    assert summary.counts == {InputStatus.Invalid: 2, InputStatus.Completed: 1}
    assert "$.n" in nan["error"]["message"]
    assert "30" in large["error"]["message"]


async def test_few_are_under_way_if_asked(run, service):
    """`max_pending` bounds the calls at a time."""
    summary, _ = await run(*({"n": n} for n in range(20)), max_pending=3)

    assert summary.complete
    assert service.peak[1] <= 3


async def test_settings_are_settings(client, tmp_path):
    """Anything else is refused."""
    with pytest.raises(InvalidType):
        await batch.map(client, 1, tmp_path / "in.jsonl", tmp_path / "out.jsonl", settings=3)

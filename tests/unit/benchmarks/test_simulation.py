from __future__ import annotations

import json

import pytest
from simulation import NONCE_LIFE, PER_FUNCTION, PER_PROJECT, Answer, Plan, Project


class Driver:
    """Asks a project with a token that is good, and with a time that the test sets."""

    def __init__(self, durations: list[float], **plan: float) -> None:
        self.project = Project(Plan(durations=durations, **plan))
        self.now = 1000.0
        self.token = self.project.token(self.now).body["access_token"]

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.project.answer(method, path, json.dumps(body).encode(), self.token, self.now)

    def nonce(self) -> str:
        return self.ask("POST", "sessions", {"items": [{}]}).body["items"][0]["nonce"]

    def call(self, key: int, *, function: int = 1, nonce: str | None = None) -> Answer:
        body = {"data": {"key": key}, "nonce": nonce or self.nonce()}
        return self.ask("POST", f"functions/{function}/call", body)


def test_a_call_runs_as_long_as_its_key_says() -> None:
    """The key in a call's data decides how long it runs; until then it has no response."""
    driver = Driver([9.0, 2.5])

    call = driver.call(1).body
    response = f"functions/1/calls/{call['id']}/response"
    driver.now += 2.4
    early, too_early = driver.ask("GET", f"functions/1/calls/{call['id']}"), driver.ask("GET", response)
    driver.now += 0.1
    late = driver.ask("GET", f"functions/1/calls/{call['id']}")

    assert (early.body["status"], early.ended, too_early.status) == ("Running", [], 400)
    assert late.body == call | {"status": "Completed", "endTime": 1_002_500}
    assert [ended.end for ended in late.ended] == [1002.5]
    assert driver.ask("GET", response).body["response"] == {"key": 1, "twice": 2}


def test_one_poll_tells_of_many_calls() -> None:
    """`calls/byids` answers for all that it is asked, and leaves out unknown ones only where that is wanted."""
    driver = Driver([1.0, 2.0])
    items = [{"id": driver.call(key).body["id"]} for key in (0, 1)]
    driver.now += 1.5

    answer = driver.ask("POST", "functions/1/calls/byids", {"items": items})
    unknown = {"items": [*items, {"id": 7}]}
    refused = driver.ask("POST", "functions/1/calls/byids", unknown)
    ignored = driver.ask("POST", "functions/1/calls/byids", unknown | {"ignoreUnknownIds": True})

    assert [call["status"] for call in answer.body["items"]] == ["Completed", "Running"]
    assert [call.key for call in answer.ended] == [0]
    assert (refused.status, refused.body["error"]["missing"]) == (400, [{"id": 7}])
    assert len(ignored.body["items"]) == 2


@pytest.mark.parametrize(("functions", "most"), [(1, PER_FUNCTION), (5, PER_PROJECT)])
def test_limits_refuse_calls_until_one_ends(functions: int, most: int) -> None:
    """A call over a limit of running calls meets a 429, which leaves its nonce good, until one of them ends."""
    driver = Driver([5.0] * most + [1.0])
    started = [driver.call(key, function=key % functions + 1).status for key in range(most)]
    nonce = driver.nonce()

    refused = driver.call(most, nonce=nonce)
    driver.now += 5
    accepted = driver.call(most, nonce=nonce)

    assert set(started) == {201}
    assert (refused.status, accepted.status) == (429, 201)
    assert f"maximum number='{most}' of concurrent calls" in refused.body["error"]["message"]
    assert driver.project.counts["throttled"] == 1


@pytest.mark.parametrize("spoil", ["used", "old"])
def test_a_nonce_serves_once_and_for_a_minute(spoil: str) -> None:
    """A nonce that was used, or is a minute old, starts nothing."""
    driver = Driver([1.0, 1.0])
    nonce = driver.nonce()
    if spoil == "used":
        driver.call(0, nonce=nonce)
    else:
        driver.now += NONCE_LIFE

    assert driver.call(1, nonce=nonce).status == 400
    assert driver.project.counts["nonces refused"] == 1


def test_a_token_expires() -> None:
    """A request with a token that is past its life is refused."""
    driver = Driver([1.0], token_life=20.0)

    assert driver.ask("GET", "functions/limits").status == 200
    driver.now += 20
    assert driver.ask("GET", "functions/limits").status == 401

from __future__ import annotations

import math

import pytest

from aiocdf._policy.runtimes import Runtimes
from aiocdf._policy.watch import LOST_AFTER, Followed, Watch
from aiocdf.errors import AuthError, BadRequest, ConnectError, DecodeError, NotFound

FORBIDDEN = BadRequest("forbidden", status=400)
NO_ROUTE = ConnectError("no route")


def watch(*ids):
    """A function whose calls began at time 0."""
    return Watch(1, Runtimes(), calls={call_id: Followed(0.0, start=1) for call_id in ids})


def answers(watched, ids, seconds, *, every=5.0, start=0.0, unread=None):
    """Let answers omit calls for the given seconds; return those to give up, and when."""
    now = start
    while now <= start + seconds:
        watched.polled(now)
        losses = watched.missed(ids, watched.answered(now), unread or {})
        if losses:
            return losses, now - start
        now += every
    return {}, None


class TestMissing:
    @pytest.mark.parametrize("every", [0.2, 1.0, 5.0, 10.0])
    def test_time_counts_not_polls(self, every) -> None:
        """A call is given up once answers have left it out for half a minute, however many there were."""
        losses, at = answers(watch(7, 8), [7], 100.0, every=every)

        assert set(losses) == {7}
        assert LOST_AFTER <= at <= LOST_AFTER + every + 0.01
        assert not losses[7].known

    def test_rare_answers_count_up_to_ten_seconds_each(self) -> None:
        """What lies between two answers that are far apart may have been an outage."""
        losses, at = answers(watch(7), [7], 10_000.0, every=600.0)

        assert set(losses) == {7}
        assert at == 1800.0

    def test_silence_does_not_count(self) -> None:
        """Time without answers is not held against a call."""
        watched = watch(7)
        assert answers(watched, [7], 20.0) == ({}, None)
        for now in range(21, 81):
            assert watched.silence(NO_ROUTE, float(now), math.inf) == {}
        assert answers(watched, [7], 9.0, start=81.0) == ({}, None)

    def test_described_again(self) -> None:
        """A call that shows up again starts anew."""
        watched = watch(7)
        assert answers(watched, [7], 25.0) == ({}, None)
        watched.calls[7].missing = None
        assert answers(watched, [7], 25.0, start=30.0) == ({}, None)

    def test_unreadable(self) -> None:
        """A call that is not readable is given up for that, and the service may still know it."""
        error = DecodeError("no date", path="$.startTime")
        losses, _ = answers(watch(7), [7], 40.0, unread={7: error})

        assert (losses[7].cause, losses[7].known) == (error, True)

    def test_a_poll_of_several_requests(self) -> None:
        """Each request of a poll counts the time since the poll before."""
        watched, now, losses = watch(7, 8), 0.0, {}
        while not losses:
            watched.polled(now)
            watched.missed([], watched.answered(now), {})
            losses = watched.missed([8], watched.answered(now + 0.1), {})
            now += 5.0
        assert 30.0 <= now <= 40.0

    def test_forgotten_calls_are_passed_over(self) -> None:
        """An answer to a poll that was sent for a call which has been seen to end meanwhile changes nothing."""
        assert answers(watch(), [7], 40.0) == ({}, None)


class TestUnheard:
    def attached(self, *ids):
        """A function whose calls were attached to at time 0."""
        return Watch(1, Runtimes(), calls={call_id: Followed(0.0, start=None) for call_id in ids})

    def test_looked_for_once(self) -> None:
        """A call that no answer has described for half a second is looked for, and once is enough."""
        watched = self.attached(7)
        assert answers(watched, [7], 0.4, every=0.2) == ({}, None)
        assert watched.unheard == []
        assert answers(watched, [7], 20.0, start=0.6, every=0.2) == ({}, None)
        assert watched.unheard == [7]

    def test_calls_that_were_described_are_not(self) -> None:
        """A call that the service knew, or whose description is not readable, is given up after half a minute."""
        assert answers(known := watch(7), [7], 20.0) == ({}, None)
        assert answers(unread := self.attached(7), [7], 20.0, unread={7: DecodeError("no date", path="$")}) == (
            {},
            None,
        )
        assert known.unheard == unread.unheard == []

    def test_lost_unless_listed(self) -> None:
        """A call is given up if the list does not have it, and it was not described meanwhile."""
        watched = self.attached(7, 8, 9)
        watched.calls[9].start = 1
        losses = watched.unlisted([7, 8, 9, 10], {8})
        assert set(losses) == {7}
        assert not losses[7].known


class TestRefused:
    def refuse(self, watched, error, seconds, ids=(7, 8)):
        """Let the service refuse for the given seconds."""
        losses = {}
        for now in range(0, int(seconds) + 1, 5):
            watched.polled(float(now))
            losses = watched.refuse(ids, error, float(now))
        return losses

    def test_all_for_half_a_minute(self) -> None:
        """Refusals of polls as a whole concern all calls, after half a minute."""
        assert self.refuse(watch(7, 8), FORBIDDEN, 25.0) == {}
        losses = self.refuse(watch(7, 8), FORBIDDEN, 30.0)
        assert {call_id: loss.known for call_id, loss in losses.items()} == {7: True, 8: True}

    def test_unknown_function(self) -> None:
        """Where the service does not know what it was asked about, there is no use in attaching again."""
        losses = self.refuse(watch(7), NotFound("unknown", status=404), 30.0, ids=[7])
        assert not losses[7].known

    def test_named_calls(self) -> None:
        """A refusal that names calls is about those, and leaves the others alone."""
        losses = self.refuse(watch(7, 8), NotFound("unknown", status=400, missing=[{"id": 8}]), 60.0)
        assert set(losses) == {8}

    def test_an_answer_in_between(self) -> None:
        """An answer ends the count."""
        watched = watch(7)
        self.refuse(watched, FORBIDDEN, 25.0, ids=[7])
        watched.answered(26.0)
        assert self.refuse(watched, FORBIDDEN, 25.0, ids=[7]) == {}


class TestSilence:
    def test_for_as_long_as_there_is_patience(self) -> None:
        """Calls are given up when silence has lasted as long as there is patience, with what to attach to."""
        watched = watch(7, 8)
        for now in (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 699.0):
            assert watched.silence(NO_ROUTE, now, 600.0) == {}
        losses = watched.silence(NO_ROUTE, 700.0, 600.0)
        assert {(call_id, loss.cause, loss.known) for call_id, loss in losses.items()} == {
            (7, NO_ROUTE, True),
            (8, NO_ROUTE, True),
        }

    def test_a_computer_that_slept(self) -> None:
        """A clock that jumps between two polls, as when a laptop was closed, does not use up the patience."""
        watched = watch(7)
        assert watched.silence(NO_ROUTE, 100.0, 600.0) == {}
        for now in (50_000.0, 50_100.0, 50_200.0, 50_300.0, 50_400.0):
            assert watched.silence(NO_ROUTE, now, 600.0) == {}
        assert set(watched.silence(NO_ROUTE, 50_500.0, 600.0)) == {7}

    def test_a_pause_that_was_asked_for(self) -> None:
        """A pause that the service requests does not count as silence."""
        watched = watch(7)
        watched.silence(NO_ROUTE, 0.0, 600.0)
        watched.paused()
        assert watched.silence(NO_ROUTE, 3600.0, 600.0) == {}

    @pytest.mark.parametrize("error", [AuthError("sign in"), ConnectError("closed", passing=False)], ids=repr)
    def test_what_cannot_pass(self, error) -> None:
        """An error that does not pass ends the calls at once."""
        assert set(watch(7).silence(error, 0.0, math.inf)) == {7}


def test_overrun() -> None:
    """Calls that have run longer than the limit are named, the others not."""
    watched = watch(7, 8)
    watched.calls[8].since = 50.0

    assert watched.oldest(101.0) == 101.0
    assert set(watched.overrun(101.0, 100.0)) == {7}
    watched.silence(NO_ROUTE, 101.0, 600.0)
    assert watched.overrun(102.0, 100.0) == {}
    assert Watch(1, Runtimes()).oldest(5.0) == 0.0

"""Recovery against a model of the service, which may have started a call or not, or may still be about to."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiocdf import CallStatus, FunctionCall, Secret, SessionStatus
from aiocdf._policy.recovery import (
    DEAD,
    FRESH,
    Case,
    Listing,
    Need,
    NotStarted,
    Resend,
    Started,
    Uncertain,
    assign,
    decide,
    need,
)
from aiocdf.errors import NotFound, ProtocolError

LOST = ProtocolError("the answer got lost")
POST = 0.3
#: Seconds after a failure in which a POST may still arrive: twice as long as POSTs take, and one at least.
SETTLING = 1.0
NONCE_LIFE = 60.0
NEVER = float("inf")


def call(number, started, *, schedule=None):
    """A call as the service lists it: start times are in milliseconds, rounded down."""
    moment = datetime.fromtimestamp(int(started * 1000) / 1000, UTC)
    return FunctionCall(id=number, function_id=1, status=CallStatus.Running, start_time=moment, schedule_id=schedule)


def case(sent=100.0, failed=100.1, **more):
    known = {
        "session_id": 1,
        "nonce": Secret("n"),
        "made_at": sent - 1.0,
        "made_by": sent - 0.9,
        "begun": sent,
        "post": POST,
    }
    return Case(function_id=1, error=LOST, sent_at=sent, failed_at=failed, since=failed, **(known | more))


def active(sent, seen, **more):
    """A case whose session was seen ACTIVE, by a clock that is ours."""
    made = case(sent, sent + 0.1, **({"post": 0.05} | more))
    made.looked(SessionStatus.ACTIVE, seen - 0.05, seen, (0.0, 0.0))
    return made


class TestSession:
    def test_looked_at_once(self):
        """The session is read as soon as the POST has failed."""
        assert need(case(100.0, 100.1)) == (Need.SESSION, 100.1)

    def test_ready_has_to_last(self):
        """A session that is READY at once proves little: the POST may be under way. It is read again later."""
        early = case(100.0, 100.1)
        early.looked(SessionStatus.READY, 100.1, 100.2, (0.0, 0.0))
        assert decide(early, 100.2, patience=600) is None
        assert need(early) == (Need.SESSION, 100.1 + SETTLING)

    @pytest.mark.parametrize(("post", "seconds"), [(0.01, 1.0), (0.3, 1.0), (1.5, 3.0), (20.0, 5.0)])
    def test_how_long_it_has_to_last(self, post, seconds):
        """As long as two POSTs take: a second at least, and five at most."""
        assert case(100.0, 100.1, post=post).settled_at == pytest.approx(100.1 + seconds)

    def test_same_nonce(self):
        """Once it has lasted, the same nonce is sent again."""
        settled = case(100.0, 100.1)
        settled.looked(SessionStatus.READY, 100.1 + SETTLING, 105.2, (0.0, 0.0))
        assert decide(settled, 105.2, patience=600) == Resend()

    @pytest.mark.parametrize("made_at", [100.1 - FRESH, 50.0])
    def test_old_nonce(self, made_at):
        """A nonce that could expire on its way is not sent: the session is read after it has surely expired."""
        old = case(100.0, 100.1, made_at=made_at, made_by=made_at + 0.1)
        old.looked(SessionStatus.READY, 105.2, 105.3, (0.0, 0.0))
        assert decide(old, 105.3, patience=600) is None
        kind, at = need(old)
        assert (kind, at) == (Need.SESSION, pytest.approx(made_at + 0.1 + DEAD))
        old.looked(SessionStatus.READY, at, at + 0.1, (0.0, 0.0))
        assert decide(old, at + 0.1, patience=600) == NotStarted()

    @pytest.mark.parametrize("change", [{"nonce": None}, {"refusal": NotFound("gone", status=404)}], ids=str)
    def test_not_sent_again(self, change):
        """A nonce that was refused, or that only an earlier process knew, is waited out."""
        spent = case(100.0, 100.1, **change)
        spent.looked(SessionStatus.READY, 105.2, 105.3, (0.0, 0.0))
        assert decide(spent, 105.3, patience=600) is None
        assert need(spent)[1] == spent.dead_at

    @pytest.mark.parametrize("status", [None, SessionStatus.EXPIRED, SessionStatus("NEW")])
    def test_other_status(self, status):
        """A session that is neither READY nor ACTIVE decides nothing: the list of calls does."""
        other = case(100.0, 100.1)
        other.looked(status, 100.1, 100.2, (0.0, 0.0))
        assert need(other) == (Need.CALLS, 100.1 + SETTLING)

    def test_no_answer(self):
        """Requests that fail are sent again, less and less often, and not for ever."""
        silent, now, asked = case(100.0, 100.1), 100.1, 0
        while decide(silent, now, patience=600) is None:
            silent.failed(now)
            asked, now = asked + 1, need(silent)[1]
        assert isinstance(decide(silent, now, patience=600), Uncertain)
        assert asked < 60
        assert now < 720


class TestAssignment:
    def test_only_one(self):
        """A call that can only be this one is adopted."""
        mine = active(100.0, 100.2)
        assert assign([mine], Listing(101.3, (call(7, 100.1),)), (), 101.3, waits=True) == {
            mine: Started(call(7, 100.1))
        }

    @pytest.mark.parametrize("other", [call(8, 99.9), call(8, 100.3), call(8, 100.1, schedule=5)], ids=str)
    def test_not_this_one(self, other):
        """Calls that started before or after, and those of schedules, are others'."""
        mine = active(100.0, 100.2)
        assert assign([mine], Listing(101.3, (other, call(7, 100.1))), (), 101.3, waits=True) == {
            mine: Started(call(7, 100.1))
        }

    def test_known(self):
        """A call that this client knows is not this one."""
        mine = active(100.0, 100.2)
        found = assign([mine], Listing(101.3, (call(7, 100.1), call(8, 100.1))), {8}, 101.3, waits=False)
        assert found == {mine: Started(call(7, 100.1))}

    def test_somebody_elses(self):
        """Beside another client's call at the same time, it is not known which is which."""
        mine, calls = active(100.0, 100.2), (call(7, 100.1), call(8, 100.15))
        decided = assign([mine], Listing(101.3, calls), (), 101.3, waits=False)
        assert decided[mine].candidates == calls

    def test_waits_for_others(self):
        """Where another POST may explain the second call, its answer is waited for, and not for ever."""
        mine, listing = active(100.0, 100.2), Listing(101.3, (call(7, 100.1), call(8, 100.15)))
        assert assign([mine], listing, (), 101.3, waits=True) == {}
        assert isinstance(assign([mine], listing, (), 120.0, waits=True)[mine], Uncertain)

    def test_two_that_are_told_apart(self):
        """Of two calls, the one that started before the second POST was sent is of the first."""
        first, second = active(100.0, 100.5), active(100.3, 100.5)
        decided = assign([first, second], Listing(102.0, (call(7, 100.1), call(8, 100.4))), (), 102.0, waits=False)
        assert decided == {first: Started(call(7, 100.1)), second: Started(call(8, 100.4))}

    def test_two_that_are_not(self):
        """Two POSTs at the same time that both started a call are not distinguished."""
        first, second = active(100.0, 100.3), active(100.0, 100.3)
        decided = assign([first, second], Listing(102.0, (call(7, 100.1), call(8, 100.2))), (), 102.0, waits=False)
        assert {type(each) for each in decided.values()} == {Uncertain}

    def test_one_beside_two(self):
        """Two that share two calls leave the third call to the third."""
        twins, third = [active(100.0, 100.3), active(100.0, 100.3)], active(100.0, 100.9)
        calls = (call(7, 100.1), call(8, 100.2), call(9, 100.6))
        decided = assign([*twins, third], Listing(102.0, calls), (), 102.0, waits=False)
        assert decided[third] == Started(call(9, 100.6))

    def test_not_shown(self):
        """A call that the list never shows stays uncertain, after a few lists."""
        mine, lists, now = active(100.0, 100.2), 0, 100.2
        while True:
            kind, now = need(mine)
            assert kind is Need.CALLS
            lists += 1
            if decided := assign([mine], Listing(now, ()), (), now, waits=False):
                break
            mine.lists += 1
        assert isinstance(decided[mine], Uncertain)
        assert lists == 4
        assert now < 115

    def test_without_session(self):
        """Without the session, a call that is not there when the nonce is surely dead did not start."""
        blind = case(100.0, 100.1, session_id=None)
        blind.unreadable((0.0, 0.0))
        early = Listing(105.1, ())
        assert assign([blind], early, (), 105.1, waits=False) == {}
        blind.lists += 1
        at = need(blind)[1]
        assert assign([blind], Listing(at, ()), (), at, waits=False) == {blind: NotStarted()}

    def test_without_session_beside_others(self):
        """Without the session, one call that is there may be another client's, and ours not have started."""
        blind = case(100.0, 100.1, session_id=None)
        blind.unreadable((0.0, 0.0))
        decided = assign([blind], Listing(105.1, (call(7, 100.1),)), (), 105.1, waits=False)
        assert decided[blind].candidates == (call(7, 100.1),)


@attrs.define(eq=False)
class Post:
    """A POST on its way: when the service processes it, by its own clock; never, perhaps."""

    owner: int
    nonce: int
    arrives: float


@attrs.define
class Model:
    """The service: it binds nonces, starts calls, and shows both, a little late."""

    #: Its clock minus ours, what is known of that, and how late it shows things.
    offset: float
    clock: tuple[float, float]
    late: float
    #: A nonce can be used once only.
    single_use: bool
    made: dict[int, float] = attrs.field(factory=dict)
    bound: dict[int, float] = attrs.field(factory=dict)
    posts: list[Post] = attrs.field(factory=list)
    #: Whose each call is, and when it started, by our clock.
    calls: list[tuple[int | None, float]] = attrs.field(factory=list)

    def run(self, now):
        """Process what has arrived by now."""
        for post in sorted((post for post in self.posts if post.arrives <= now), key=lambda post: post.arrives):
            self.posts.remove(post)
            alive = post.arrives - self.made[post.nonce] < NONCE_LIFE
            if alive and not (self.single_use and post.nonce in self.bound):
                self.bound.setdefault(post.nonce, post.arrives)
                self.calls.append((post.owner, post.arrives))

    def status(self, nonce, now):
        """The status of a nonce's session."""
        self.run(now)
        return SessionStatus.ACTIVE if self.bound.get(nonce, NEVER) <= now else SessionStatus.READY

    def listed(self, now):
        """The calls that the list shows."""
        self.run(now)
        shown = [(number, at) for number, (_, at) in enumerate(self.calls) if at + self.late <= now]
        return tuple(call(number, at + self.offset) for number, at in shown)

    def started(self, owner):
        return [number for number, (whose, _) in enumerate(self.calls) if whose == owner]


DELAY = st.one_of(st.just(NEVER), st.floats(0.001, 0.2), st.floats(0.001, 90.0))
SUBMISSION = st.fixed_dictionaries(
    {
        "sent": st.floats(0.0, 3.0),
        "age": st.floats(0.1, 10.0),
        "fails": st.one_of(st.floats(0.2, 0.4), st.just(60.0)),
        "delays": st.lists(DELAY, min_size=3, max_size=3),
        "readable": st.sampled_from([True, True, True, False]),
    }
)


@attrs.define
class Client:
    """Asks the model about some submissions, as the engine does."""

    model: Model
    submissions: list[dict]
    troubles: list[bool]
    asked: int = 0
    outcomes: dict[int, object] = attrs.field(factory=dict)
    cases: dict[Case, int] = attrs.field(factory=dict)
    posts: dict[int, int] = attrs.field(factory=dict)

    def begin(self):
        low, _ = self.model.clock
        for owner, each in enumerate(self.submissions):
            sent, made = each["sent"] + 1000.0, each["sent"] + 1000.0 - each["age"]
            self.model.made[owner] = made
            self.model.posts.append(Post(owner, owner, sent + each["delays"][0]))
            self.posts[owner] = 1
            mine = case(
                sent,
                sent + each["fails"],
                session_id=owner,
                made_at=made - 0.05,
                made_by=made + 0.05,
                begun=sent + low,
            )
            if not each["readable"]:
                mine.unreadable(self.model.clock)
            self.cases[mine] = owner

    def run(self):
        """Ask until everything is decided."""
        now = 1000.0
        while self.cases:
            due = min((need(each)[1], owner, each) for each, owner in self.cases.items())
            now = max(now, due[0])
            self.ask(now)
            now += 0.05
            assert self.asked < 60 * len(self.submissions), "unbounded requests"
            assert now < 3000.0, "unbounded time"

    def trouble(self):
        self.asked += 1
        return self.troubles.pop() if self.troubles else False

    def ask(self, now):
        self.look(now)
        self.list(now)

    def look(self, now):
        looks = [each for each in self.cases if need(each)[0] is Need.SESSION and need(each)[1] <= now]
        if looks and self.trouble():
            for each in looks:
                each.failed(now)
        else:
            for each in looks:
                each.looked(self.model.status(self.cases[each], now + 0.02), now, now + 0.04, self.model.clock)
        for each in list(self.cases):
            self.decided(each, decide(each, now + 0.04, patience=600), now + 0.04)

    def list(self, now):
        lists = [each for each in self.cases if need(each)[0] is Need.CALLS and need(each)[1] <= now]
        if lists and self.trouble():
            for each in lists:
                each.failed(now)
        elif lists:
            listing = Listing(now, self.model.listed(now))
            known = {outcome.call.id for outcome in self.outcomes.values() if isinstance(outcome, Started)}
            waits = len(self.cases) > len(lists)
            found = assign(lists, listing, known, now, waits=waits)
            for each in lists:
                if each not in found:
                    options = any(each.owns(one) for one in listing.calls if one.id not in known)
                    each.lists += not options
                    each.retry_at = now + 0.25 if options else each.retry_at
                self.decided(each, found.get(each), now)

    def decided(self, each, decision, now):
        owner = self.cases[each]
        if decision is None:
            return
        if isinstance(decision, Resend):
            delay = self.submissions[owner]["delays"][self.posts[owner] % 3]
            self.model.posts.append(Post(owner, owner, now + delay))
            self.posts[owner] += 1
            each.failed_at = each.since = now + 0.3
            if self.posts[owner] > 6:
                each.nonce = None  # enough
            return
        if isinstance(decision, NotStarted):
            self.model.run(now)
            assert self.model.started(owner) == [], "it has started"
        self.outcomes[owner] = decision
        del self.cases[each]


@given(
    submissions=st.lists(SUBMISSION, min_size=1, max_size=5),
    others=st.lists(st.floats(0.0, 130.0), max_size=6),
    offset=st.floats(-120.0, 120.0),
    clock=st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5)),
    late=st.floats(0.0, 0.9),
    troubles=st.lists(st.booleans(), max_size=20),
    single_use=st.booleans(),
)
@settings(max_examples=4 * settings.default.max_examples)
@example(  # two at the same time, both started
    submissions=[
        {"sent": 0.0, "age": 1.0, "fails": 0.3, "delays": [0.1] * 3, "readable": True},
        {"sent": 0.0, "age": 1.0, "fails": 0.3, "delays": [0.15] * 3, "readable": True},
    ],
    others=[],
    offset=60.0,
    clock=(0.02, 0.02),
    late=0.5,
    troubles=[],
    single_use=True,
)
def test_never_wrong_never_twice(*, submissions, others, offset, clock, late, troubles, single_use):
    """Whatever became of the POSTs: no wrong call is adopted, nothing runs twice, and there is an end to it.

    Where nonces could be used twice, the settling time is what keeps a call from running twice: no POST is then longer
    under way.
    """
    if not single_use:
        for each in submissions:
            each["delays"] = [delay if delay < SETTLING else NEVER for delay in each["delays"]]
    model = Model(offset, (offset - clock[0], offset + clock[1]), late, single_use)
    for at in others:
        model.calls.append((None, 1000.0 + at))
    model.calls.sort(key=lambda each: each[1])
    client = Client(model, [dict(each) for each in submissions], list(troubles))
    client.begin()
    client.run()
    model.run(1e9)
    for owner in range(len(submissions)):
        outcome, mine = client.outcomes[owner], model.started(owner)
        assert len(mine) <= 1, "it ran twice"
        if isinstance(outcome, Started):
            assert [outcome.call.id] == mine, "another's call"
        if isinstance(outcome, NotStarted):
            assert mine == [], "it started later"


def test_alone_is_never_uncertain():
    """Submissions one after the other, alone on a function, are all distinguished, with any outcome of each."""
    for delays in itertools.product([0.1, NEVER], repeat=4):
        model = Model(90.0, (89.98, 90.02), 0.5, single_use=True)
        submissions = [
            {"sent": 1.0 * n, "age": 1.0, "fails": 0.3, "delays": [delay, 0.1, 0.1], "readable": True}
            for n, delay in enumerate(delays)
        ]
        client = Client(model, submissions, [])
        client.begin()
        client.run()
        for owner in range(4):
            assert isinstance(client.outcomes[owner], Started)
            assert [client.outcomes[owner].call.id] == model.started(owner)
        assert client.asked <= 3 * sum(client.posts.values())

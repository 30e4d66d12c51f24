from __future__ import annotations

import importlib.util
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.lifecycle import (
    ENDINGS,
    TABLE,
    Ended,
    Event,
    Queued,
    Recovering,
    Resolving,
    Running,
    Submitting,
    after,
)
from aiocdf.errors import AiocdfError

_SPEC = importlib.util.spec_from_file_location("draw_lifecycle", Path(__file__).parent / "draw_lifecycle.py")
draw_lifecycle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(draw_lifecycle)

STATES = (Resolving, Queued, Submitting, Recovering, Running, Ended)
DOUBT = AiocdfError("the answer got lost")
#: A state of each kind.
SAMPLES = {
    Resolving: Resolving(),
    Queued: Queued(7),
    Submitting: Submitting(7),
    Recovering: Recovering(7, 1, DOUBT),
    Running: Running(7, 12, 0.0),
    Ended: Ended(Running(7, 12, 0.0), Event.COMPLETED, 1.0),
}
IN_DOUBT = (Queued(7, 1, DOUBT), Submitting(7, 1, DOUBT))
#: Each of these ends says that the call did not start.
NOT_STARTED = {Event.REFUSED, Event.WITHDRAWN, Event.CANCELLED}

MOVES = {
    (Resolving, Event.RESOLVED, Queued),
    (Resolving, Event.ATTACHED, Running),
    (Resolving, Event.REFUSED, Ended),
    (Resolving, Event.WITHDRAWN, Ended),
    (Resolving, Event.MERGED, Ended),
    (Resolving, Event.CLOSED, Ended),
    (Queued, Event.ADMITTED, Submitting),
    (Queued, Event.MOVED, Queued),
    (Queued, Event.REFUSED, Ended),
    (Queued, Event.UNCERTAIN, Ended),
    (Queued, Event.WITHDRAWN, Ended),
    (Queued, Event.CLOSED, Ended),
    (Submitting, Event.ACCEPTED, Running),
    (Submitting, Event.REQUEUED, Queued),
    (Submitting, Event.DOUBTED, Recovering),
    (Submitting, Event.REFUSED, Ended),
    (Submitting, Event.UNCERTAIN, Ended),
    (Submitting, Event.CANCELLED, Ended),
    (Submitting, Event.WITHDRAWN, Ended),
    (Submitting, Event.CLOSED, Ended),
    (Recovering, Event.FOUND, Running),
    (Recovering, Event.CLEARED, Queued),
    (Recovering, Event.REFUSED, Ended),
    (Recovering, Event.UNCERTAIN, Ended),
    (Running, Event.SEEN, Running),
    (Running, Event.RETRIED, Queued),
    (Running, Event.COMPLETED, Ended),
    (Running, Event.FAILED, Ended),
    (Running, Event.TIMED_OUT, Ended),
    (Running, Event.LOST, Ended),
    (Running, Event.MERGED, Ended),
    (Running, Event.CLOSED, Ended),
}


def reachable(start):
    """The states that a call can come to from here, by any events."""
    found, left = {start}, [start]
    while left:
        state = left.pop()
        for (before, _), to in TABLE.items():
            if before is state and to not in found:
                found.add(to)
                left.append(to)
    return found


def test_table_has_these_moves() -> None:
    """The table has the moves that are listed here, and no others."""
    assert {(before, event, to) for (before, event), to in TABLE.items()} == MOVES


@pytest.mark.parametrize(("before", "event"), TABLE, ids=lambda value: getattr(value, "__name__", None))
def test_every_row_is_a_move(before, event) -> None:
    """A call without doubt makes every move of the table, and comes to the state that the table says."""
    assert after(SAMPLES[before], event) is TABLE[before, event]


@pytest.mark.parametrize("state", SAMPLES.values(), ids=lambda state: type(state).__name__)
def test_other_moves_raise(state) -> None:
    """An event that has no row for a state is a bug, whose message names both."""
    for event in Event:
        if (type(state), event) not in TABLE:
            with pytest.raises(LookupError, match=f"{event.name} does not happen .* {type(state).__name__}"):
                after(state, event)


def test_nothing_leaves_the_end() -> None:
    """A call that has ended stays as it is, so that its handles are answered once."""
    assert not any(before is Ended for before, _ in TABLE)


@pytest.mark.parametrize("state", IN_DOUBT, ids=lambda state: type(state).__name__)
def test_doubt_is_sticky(state) -> None:
    """A call that may have started cannot end as refused, withdrawn or cancelled; all its other moves are as before."""
    for event in Event:
        if event in NOT_STARTED:
            with pytest.raises(LookupError, match=f"cannot end as {event.name}"):
                after(state, event)
        elif (type(state), event) in TABLE:
            assert after(state, event) is TABLE[type(state), event]


@pytest.mark.parametrize("state", IN_DOUBT, ids=lambda state: type(state).__name__)
def test_a_call_in_doubt_can_end(state) -> None:
    """Where doubt forbids an end, there is another: the call may have started, or the client was closed."""
    ends = {event for before, event in TABLE if before is type(state) and TABLE[before, event] is Ended}

    assert ends - NOT_STARTED == {Event.UNCERTAIN, Event.CLOSED}


def test_every_state_is_reached() -> None:
    """From where a call begins, it can come to every state."""
    assert reachable(Resolving) == set(STATES)


@pytest.mark.parametrize("state", STATES[:-1])
def test_every_state_can_end(state) -> None:
    """There is no state from which a call cannot end; in each of them the closing of the client ends it at once."""
    assert Ended in reachable(state)
    assert TABLE[state, Event.UNCERTAIN if state is Recovering else Event.CLOSED] is Ended


def test_every_event_has_a_row() -> None:
    """No event is dead: each moves a call from some state."""
    assert {event for _, event in TABLE} == set(Event)


def test_an_event_ends_calls_or_does_not() -> None:
    """An event that ends a call does so from whichever state it moves it."""
    assert {event for (_, event), to in TABLE.items() if to is not Ended}.isdisjoint(ENDINGS)
    assert {event for (_, event), to in TABLE.items() if to is Ended} == ENDINGS


def step(state, event, data):  # noqa: C901, PLR0911, PLR0912 - a case for each move
    """Make the state that follows as the engine does: what is known is carried along, and doubt with it."""
    match after(state, event), state:
        case kind, Resolving(call_id=call_id) if kind is Running:
            return Running(7, call_id or 12, 0.0)
        case kind, Resolving() if kind is Queued:
            return Queued(7)
        case kind, Queued() if kind is Queued:
            return attrs.evolve(state, function_id=8)
        case kind, Queued() if kind is Submitting:
            return Submitting(state.function_id, state.attempts, state.doubt)
        case kind, Submitting() if kind is Queued:
            doubt = DOUBT if data.draw(st.booleans(), label="in doubt") else state.doubt
            return Queued(state.function_id, state.attempts + 1, doubt)
        case kind, Submitting() if kind is Recovering:
            return Recovering(state.function_id, state.attempts + 1, DOUBT)
        case kind, Recovering() if kind is Queued:
            doubt = DOUBT if data.draw(st.booleans(), label="same nonce") else None
            return Queued(state.function_id, state.attempts, doubt)
        case kind, Submitting() | Recovering() if kind is Running:
            return Running(state.function_id, 12, 0.0)
        case kind, Running() if kind is Queued:
            return Queued(state.function_id)
        case kind, Running() if kind is Running:
            return state
        case _:
            return Ended(state, event, 1.0)


@given(st.data())
def test_random_walk(data) -> None:
    """Whatever happens to a call in whatever order: it never ends as not started while it may have started."""
    state, doubt = Resolving(), False
    for _ in range(30):
        if isinstance(state, Ended):
            break
        event = data.draw(st.sampled_from(Event))
        forbidden = isinstance(state, Queued | Submitting) and doubt and event in NOT_STARTED
        if forbidden or (type(state), event) not in TABLE:
            with pytest.raises(LookupError):
                after(state, event)
            continue
        state = step(state, event, data)
        doubt = (
            state.doubt is not None if isinstance(state, Queued | Submitting) else doubt and isinstance(state, Ended)
        )
    else:
        state = step(state, Event.UNCERTAIN if isinstance(state, Recovering) else Event.CLOSED, data)
    assert isinstance(state, Ended)
    assert not (doubt and state.event in NOT_STARTED)


def test_picture_shows_the_table() -> None:
    """The picture in the explanation has the arrows and the words that the table gives."""
    assert draw_lifecycle.drawn() == draw_lifecycle.arrows(), f"the table has changed: run {draw_lifecycle.COMMAND}"


def test_picture_has_every_move() -> None:
    """Each move of the table is on an arrow, under its event's words; the ways in which a call begins are drawn besides."""
    drawn = {(*ends, event) for ends, events in draw_lifecycle.arrows().items() for event in events}

    moves = {(before.__name__, to.__name__, event.value) for before, event, to in MOVES}
    assert {arrow for arrow in drawn if arrow[0] != "Start"} == moves
    assert {to for before, to, _ in drawn if before == "Start"} == {"Resolving", "Queued", "Running"}


def test_page_names_every_state() -> None:
    """The page says of each state what is known in it."""
    page = draw_lifecycle.PAGE.read_text()

    assert all(f"| `{state.__name__}` |" in page for state in STATES)

from __future__ import annotations

import pytest
from outages import SCENARIOS
from trouble.outcomes import Bucket, refuse
from trouble.running import run
from trouble.scenario import Scenario
from trouble.scenarios import dealt, failing
from trouble.service import Visit
from trouble.targets import safe, soon


def _short(scenario: Scenario) -> list[str]:
    """Return the targets that a run of the scenario does not meet."""
    came_to = run(scenario)
    return [f"{check.what} {check.reached:.2f} > {check.most:.2f}" for check in came_to.checks if not check.holds]


# The other seeds are for measuring.
@pytest.mark.parametrize("name", [name for name in SCENARIOS if not name.endswith(("-2", "-3"))])
def test_trouble(name) -> None:
    """The client comes through every trouble as it should, also with fewer calls than are measured."""
    make, _, few = SCENARIOS[name]

    assert _short(make(few)) == []


def test_no_trouble() -> None:
    """Without trouble the targets are met."""
    assert _short(Scenario(calls=dealt(300), targets=(safe, soon))) == []


def test_falls_short() -> None:
    """Calls that the service refuses, and calls that never end, fall short of the targets."""
    refused = Scenario(calls=dealt(3), faults=failing(["start"], refuse(403, "no")), targets=(safe,))
    stuck = Scenario(calls=dealt(3, 100.0), limit=50.0, targets=(safe,))

    assert [_short(refused), _short(stuck)] == [["lost or failed 3.00 > 0.00"]] * 2


def test_bucket() -> None:
    """A bucket lets as many through at once as a second, and fills again with time; a refusal takes nothing out."""
    bucket = Bucket(2, {})

    at = [0.0, 0.0, 0.0, 0.4, 0.5, 0.5, 9.0, 9.0, 9.0]
    outcomes = [bucket(Visit(kind="start", at=moment), lambda: None) for moment in at]
    assert [outcome is None for outcome in outcomes] == [True, True, False, False, True, False, True, True, False]

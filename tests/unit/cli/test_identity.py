from __future__ import annotations

import math

import pytest

from aiocdf.auth import AccessToken
from aiocdf.cli.identity import expiry, verdict
from aiocdf.models import Capability, TokenInspection, TokenProject
from aiocdf.secret import Secret


def token(life: float, refresh_token: Secret | None = None) -> AccessToken:
    return AccessToken(
        secret=Secret("t"), asked_at=0.0, asked_at_wall=1_700_000_000.0, life=life, refresh_token=refresh_token
    )


def inspection(*capabilities: str, projects: tuple[str, ...] = ("plant",)) -> TokenInspection:
    pairs = (capability.split(":") for capability in capabilities)
    return TokenInspection(
        subject="someone",
        projects=tuple(TokenProject(project_url_name=name) for name in projects),
        capabilities=tuple(Capability(acl=acl, actions=(action,)) for acl, action in pairs),
    )


@pytest.mark.parametrize(
    ("life", "age", "words"),
    [
        (3600.0, 0.0, "expires in 60 min, at "),
        (3600.0, 3550.0, "expires in 50 s, at "),
        (3600.0, 4000.0, "expires in 0 s, at "),
        (math.inf, 0.0, "has no known expiry time"),
    ],
)
def test_expiry(life, age, words):
    """The remaining lifetime of a token is shown in minutes or seconds, if it is known."""
    assert expiry(token(life), now=1_700_000_000.0 + age).startswith(words)


def test_renewal():
    """A token that comes with a refresh token is said to be renewed."""
    assert "renewed" in expiry(token(60.0, Secret("r")), now=0.0)
    assert "renewed" not in expiry(token(60.0), now=0.0)


def test_functions_can_be_called():
    """With the rights to make a session, to run and to read, calls will work."""
    known = inspection("functionsAcl:RUN", "functionsAcl:READ", "sessionsAcl:CREATE")
    assert verdict(known, "plant") == "You can call functions."


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        (["functionsAcl:READ", "sessionsAcl:CREATE"], "functionsAcl:RUN is missing"),
        (["functionsAcl:RUN"], "sessionsAcl:CREATE and functionsAcl:READ are missing"),
        (["sessionsAcl:RUN", "functionsAcl:CREATE"], "sessionsAcl:CREATE and functionsAcl:RUN and functionsAcl:READ"),
    ],
)
def test_what_is_missing(held, missing):
    """Each right that is missing is named."""
    assert f"Calls will fail: {missing}" in verdict(inspection(*held), "plant")


def test_other_project():
    """For a token without access to the project, the verdict lists the projects that it gives access to."""
    known = inspection("functionsAcl:RUN", projects=("one", "two"))
    assert verdict(known, "plant").endswith("one, two.")
    assert "none" in verdict(inspection(projects=()), "plant")

from __future__ import annotations

import pytest

from aiocdf._wire.converter import structure
from aiocdf.errors import DecodeError
from aiocdf.models import Capability, TokenInspection, TokenProject

INSPECTION = {
    "subject": "someone",
    "projects": [{"projectUrlName": "plant", "groups": [1, 2]}, {"projectUrlName": "office", "groups": []}],
    "capabilities": [
        {
            "functionsAcl": {"version": 1, "actions": ["READ", "RUN"], "scope": {"all": {}}},
            "projectScope": {"projects": ["plant"]},
        },
        {"sessionsAcl": {"actions": ["CREATE"], "scope": {"all": {}}}, "projectScope": {"allProjects": {}}},
        {"rawAcl": {"actions": ["LIST"], "scope": {"tableScope": {"dbsToTables": {}}}}},
    ],
    "news": 1,
}


def read(value: object) -> TokenInspection:
    return structure(value, TokenInspection, what="the token")


def test_reading() -> None:
    """Projects and capabilities are read from the service's nested form; what is not known is kept."""
    known = read(INSPECTION)
    assert known.subject == "someone"
    assert known.projects[0] == TokenProject(project_url_name="plant", groups=(1, 2))
    assert known.capabilities == (
        Capability(acl="functionsAcl", actions=("READ", "RUN"), scope={"all": {}}, projects=("plant",)),
        Capability(acl="sessionsAcl", actions=("CREATE",), scope={"all": {}}),
        Capability(acl="rawAcl", actions=("LIST",), scope={"tableScope": {"dbsToTables": {}}}),
    )
    assert known.extra == {"news": 1}


@pytest.mark.parametrize(
    ("capability", "project", "allowed"),
    [
        ("functionsAcl:RUN", "plant", True),
        ("functionsAcl:RUN", "office", False),
        ("functionsAcl:WRITE", "plant", False),
        ("sessionsAcl:CREATE", "office", True),
        ("sessionsAcl:CREATE", "elsewhere", False),
        ("rawAcl:LIST", "office", True),
        ("rawAcl", "plant", False),
    ],
)
def test_allows(capability: str, project: str, allowed: bool) -> None:  # noqa: FBT001 - an expectation
    """A right counts in the projects that it is for and that the token opens."""
    assert read(INSPECTION).allows(capability, project) is allowed


@pytest.mark.parametrize("capabilities", [[1], ["x"], [{"functionsAcl": 1}], [{"functionsAcl": {"actions": 1}}]])
def test_nonsense(capabilities: object) -> None:
    """An invalid capability is an error with its JSON path."""
    with pytest.raises(DecodeError, match="capabilities"):
        read({"subject": "someone", "capabilities": capabilities})

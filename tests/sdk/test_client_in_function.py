"""What `client` is inside of a function, when Cognite's client is installed beside the server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cognite.client import CogniteClient

pytestmark = pytest.mark.filterwarnings("ignore:Given base URL may be invalid")

FORWARD = """
def handle(client, data):
    if not data["names"]:
        return [type(client).__name__, client.config.project]
    first, *rest = data["names"]
    call = client.functions.call(external_id=first, data={"names": rest})
    return call.get_response() or call.error
"""


@pytest.fixture
def deployed(sync_client: CogniteClient, tmp_path: Path) -> Callable[[str], None]:
    """Deploy functions that call one another."""
    (tmp_path / "handler.py").write_text(FORWARD)

    def deploy(name: str) -> None:
        function = sync_client.functions.create(name=name, external_id=name, folder=str(tmp_path))
        while function.status in {"Queued", "Deploying"}:
            time.sleep(0.05)
            function.update()
        assert function.status == "Ready", function.error

    return deploy


def test_client_acts_in_the_project(sync_client: CogniteClient, deployed: Callable[[str], None]) -> None:
    """It is a real client of the server's project."""
    deployed("alone")

    call = sync_client.functions.call(external_id="alone", data={"names": []})

    assert call.get_response() == ["CogniteClient", "local"]


def test_function_calls_a_function(sync_client: CogniteClient, deployed: Callable[[str], None]) -> None:
    """One level deep, as the service permits it; the next level is refused."""
    for name in ("outer", "middle", "inner"):
        deployed(name)

    one = sync_client.functions.call(external_id="outer", data={"names": ["middle"]})
    two = sync_client.functions.call(external_id="outer", data={"names": ["middle", "inner"]})

    assert one.get_response() == ["CogniteClient", "local"]
    assert "CogniteAPIError" in str(two.get_response())

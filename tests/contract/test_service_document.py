"""Cognite's own OpenAPI document, where it is there: the local server answers as the document says.

What differs, and why, is in docs/reference.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis
import pytest
import schemathesis
from schemathesis import checks

DOCUMENT = Path(__file__).parents[3] / "shared" / "openapi" / "cdf-functions.json"
if not DOCUMENT.is_file():
    pytest.skip("Cognite's document is not there", allow_module_level=True)
EXAMPLES = 2

#: Requests that schemathesis does not generate: their items are unique, and their schemas overlap.
NOT_GENERATED = ["/files/byids", "/files/delete", "/files/downloadlink"]
#: A capability fits several of the schemas of which it must fit one.
CONTRADICTORY = "/token/inspect"

schema = (
    schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text()))
    .exclude(path=NOT_GENERATED)
    .exclude(path="/files", method="POST")  # most of it is about other kinds of files, and slow to generate
)


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_answers_of_the_service(case, address):
    """For any request, valid or not, the status, headers and format of the response are as the service documents."""
    url, token = address
    path = "" if case.path == CONTRADICTORY else "/projects/local"
    response = case.call(base_url=f"{url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
    held = [checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    if case.path != CONTRADICTORY:
        held += [checks.response_headers_conformance, checks.response_schema_conformance]
    case.validate_response(response, checks=held)

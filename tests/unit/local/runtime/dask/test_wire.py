from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from aiocdf.local.runtime.dask.wire import open_deployment, open_invocation, seal_deployment, seal_invocation
from aiocdf.local.runtime.deployment import Deployment
from aiocdf.local.runtime.invocation import Invocation
from aiocdf.secret import Secret

DEPLOYMENT = Deployment(
    external_id="f",
    name="F",
    path=Path("/here"),
    fingerprint="1",
    function_path="src/main.py",
    secrets={"key": Secret("s3cret-of-wire")},
    env_vars={"COLOUR": "green"},
    timeout=5.0,
    cpu=0.5,
    memory=2.0,
    runtime="py312",
    index_url=Secret("https://user:pass-of-wire@packages.example"),
    extra_index_urls=(Secret("https://more.example"),),
    takes_client=True,
)
INVOCATION = Invocation(
    call_id=7,
    function_id=1,
    data={"x": [1, None, "ü"]},
    base_url="http://127.0.0.1:8000",
    project="local",
    token=Secret("token-of-wire"),
    schedule_id=3,
    scheduled_time=4,
)


def test_deployment_arrives_as_it_was():
    """The settings of a function survive the conversion, with the code in another folder."""
    sealed = pickle.loads(pickle.dumps(seal_deployment(DEPLOYMENT)))
    there = open_deployment(sealed, Path("/there"))
    assert there.path == Path("/there")
    for name in ("function_path", "secrets", "env_vars", "timeout", "cpu", "memory", "runtime", "takes_client"):
        assert getattr(there, name) == getattr(DEPLOYMENT, name)
    assert (there.index_url, there.extra_index_urls) == (DEPLOYMENT.index_url, DEPLOYMENT.extra_index_urls)


def test_invocation_arrives_as_it_was():
    """A call keeps its data, its token and its schedule."""
    assert open_invocation(pickle.loads(pickle.dumps(seal_invocation(INVOCATION)))) == INVOCATION


@pytest.mark.parametrize("sealed", [seal_deployment(DEPLOYMENT), seal_invocation(INVOCATION)])
def test_no_secret_is_shown(sealed):
    """The text does not show in `repr`, because Dask logs the arguments of failed tasks."""
    assert repr(sealed) == "Sealed()"
    assert "of-wire" not in str(sealed)

from __future__ import annotations

import attrs
import pytest

from aiocdf.config import (
    Polling,
    Retrying,
    Settings,
    base_url_of,
    check_project,
    cluster_of,
    payload_limit,
)
from aiocdf.errors import ConfigError


@pytest.mark.parametrize("cluster", ["api", "westeurope-1", "az-eastus-1", "x.plink.az-eastus-1", "asia-northeast1-1"])
def test_cluster(cluster) -> None:
    """A cluster has an address, and the address has the cluster."""
    assert base_url_of(cluster) == f"https://{cluster}.cognitedata.com"
    assert cluster_of(base_url_of(cluster)) == cluster


def test_cluster_of_other_addresses() -> None:
    """An address that is none of Cognite's stands for itself."""
    assert cluster_of("http://127.0.0.1:8080/x") == "127.0.0.1:8080"
    assert cluster_of("https://cognitedata.com.evil.test") == "cognitedata.com.evil.test"


@pytest.mark.parametrize(
    "cluster",
    ["", "https://api", "api.cognitedata.com/x", "API", "-api", "api-", "a b", "a@b", "a:1", "a\n", "ä", 5, b"api"],
)
def test_no_cluster(cluster) -> None:
    """An invalid cluster name is rejected before it is part of an address."""
    with pytest.raises(ConfigError, match="is not a valid cluster name"):
        base_url_of(cluster)


@pytest.mark.parametrize("project", ["a", "acme", "acme-2", "my_project", "Acme", "a" * 64])
def test_project(project) -> None:
    """Projects' names pass as they are."""
    assert check_project(project) == project


@pytest.mark.parametrize(
    "project", ["", "a/b", "../x", "a b", "-a", "a-", "a?b", "a#b", "a%2fb", "ä", "a\n", "a" * 65, None, 7]
)
def test_no_project(project) -> None:
    """A project name that would change the path of an address is rejected."""
    with pytest.raises(ConfigError, match="is not a project name"):
        check_project(project)


@pytest.mark.parametrize(
    ("cluster", "limit"),
    [
        ("api", 9_000_000),
        ("greenfield", 9_000_000),
        ("asia-northeast1-1", 9_000_000),
        ("gc-dsm-gp-001", 9_000_000),
        ("az-eastus-1", 36_000),
        ("az-power-no-northeurope", 36_000),
        ("westeurope-1", 36_000),
        ("aws-dub-dev", 240_000),
        ("127.0.0.1:8080", None),
        ("somewhere-new", None),
    ],
)
def test_payload_limit(cluster, limit) -> None:
    """A cluster's name shows its cloud, and the cloud sets how much data a call may have; unknown ones set no limit."""
    assert payload_limit(cluster) == limit


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((Polling, name) for name in ("max_relative_lag", "floor", "cap", "poll_cost", "budget")),
        *(
            (Settings, name)
            for name in ("request_timeout", "connect_timeout", "time_limit", "patience", "connect_patience")
        ),
    ],
)
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "5", True, [1]])
def test_what_must_be_above_zero(kind, name, value) -> None:
    """An invalid setting is rejected with its name and what it must be."""
    with pytest.raises(ConfigError, match=f"^setting {name} must be a number above 0, not "):
        kind(**{name: value})


@pytest.mark.parametrize("name", ["patience", "connect_patience"])
def test_patience_without_end(name) -> None:
    """None waits for ever."""
    assert getattr(Settings(**{name: None}), name) is None


@pytest.mark.parametrize(("kind", "name"), [(Retrying, "base"), (Retrying, "cap"), (Settings, "grace")])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "5", None, False])
def test_what_must_not_be_negative(kind, name, value) -> None:
    """Waits may be nothing, not less."""
    assert getattr(kind(**{name: 0}), name) == 0
    with pytest.raises(ConfigError, match=f"^setting {name} must be a number of at least 0, not "):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Retrying, "attempts"),
        *(
            (Settings, name)
            for name in (
                "function_limit",
                "project_limit",
                "max_concurrent_submissions",
                "max_concurrent_reads",
                "payload_limit",
            )
        ),
    ],
)
@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, "5", True])
def test_what_is_counted(kind, name, value) -> None:
    """Counts are whole and at least one."""
    assert getattr(kind(**{name: 1}), name) == 1
    with pytest.raises(ConfigError, match=f"^setting {name} must be a whole number of at least 1, not "):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("polling", "Polling", {"floor": 1}),
        ("polling", "Polling", None),
        ("retrying", "Retrying", 5),
        ("retrying", "Retrying", Polling()),
        ("warn_secrets", "bool", "no"),
        ("warn_secrets", "bool", 1),
    ],
)
def test_what_is_of_a_kind(name, kind, value) -> None:
    """A setting of another kind is refused when it is made, not when a client opens."""
    with pytest.raises(ConfigError, match=f"^setting {name} must be a {kind}, not "):
        Settings(**{name: value})


@pytest.mark.parametrize("app", ["line\nbreak", "nul\0", "größe", None, 7])
def test_app(app) -> None:
    """A name that no header can carry is refused before each request fails of it."""
    assert Settings(app="my app/1.0").app == "my app/1.0"
    with pytest.raises(ConfigError, match=r"^setting app travels in a header"):
        Settings(app=app)


def test_defaults() -> None:
    """The defaults are the design's and the service's, and what is optional may be left out by name."""
    settings = Settings(payload_limit=None, time_limit=None)
    assert (settings.patience, settings.connect_patience) == (600.0, 10.0)

    assert (settings.function_limit, settings.project_limit) == (100, 250)
    assert attrs.astuple(settings.polling) == (0.10, 0.18, 5.0, 0.125, 100.0)
    assert (settings.max_concurrent_submissions, settings.max_concurrent_reads) == (40, 16)

"""The records of the local server."""

from __future__ import annotations

import traceback

import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.state.records import Ids, OAuthClient, TimeRange, User


@pytest.mark.parametrize(
    ("low", "high", "inside", "outside"),
    [
        (None, None, [None, 0, 9], []),
        (3, None, [3, 9], [None, 2]),
        (None, 3, [0, 3], [None, 4]),
        (3, 3, [3], [None, 2, 4]),
        (0, 0, [0], [None, 1]),
    ],
)
def test_time_range(low, high, inside, outside):
    """A range includes its ends. It includes None only if it is open at both ends."""
    times = TimeRange(low, high)
    assert [time in times for time in inside + outside] == [True] * len(inside) + [False] * len(outside)


def test_ids_rise():
    """Ids increase, also across restarts, and stay in the range of integers that JSON parsers keep exactly."""
    ids = Ids()
    taken = [ids.take() for _ in range(10_000)]
    assert taken == sorted(set(taken))
    assert taken[-1] < 2**53
    assert [2**52 + 1, 2**52 + 2] == [ids.take() for ids in [Ids(last=2**52)] for _ in range(2)]


def test_client_secret():
    """A client gets its own random secret by default, and no secret is shown."""
    one, other = OAuthClient(client_id="a"), OAuthClient(client_id="a")
    given = OAuthClient(client_id="a", client_secret="hush")
    assert one.client_secret != other.client_secret
    assert len(one.client_secret.reveal()) >= 24
    assert "hush" not in repr(given)


@pytest.mark.parametrize("name", ["capabilities", "scopes", "redirect_uris"])
def test_text_instead_of_several(name):
    """A string is not treated as a list of its characters."""
    with pytest.raises(ConfigError, match=r"\['functionsAcl:READ'\]$"):
        OAuthClient(client_id="a", **{name: "functionsAcl:READ"})


@pytest.mark.parametrize(("kind", "named"), [(OAuthClient, "client_id"), (User, "name")])
def test_unknown_capability(kind, named):
    """An unknown capability is rejected, and the error lists the known ones."""
    with pytest.raises(ConfigError, match=r"^capabilities.*functionsAcl:LIST.*functionsAcl:READ, "):
        kind(capabilities=["functionsAcl:LIST", "functionsAcl:READ"], **{named: "a"})


@pytest.mark.parametrize(("kind", "named"), [(OAuthClient, "client_id"), (User, "name")])
@pytest.mark.parametrize("problem", [{"capabilities": ["x"]}, {"unknown": 1}])
def test_refusals_show_no_secret(kind, named, problem):
    """After an error, no local variable of the traceback contains a secret, and an incomplete value has a repr."""
    secret = {"client_secret" if kind is OAuthClient else "password": "s3cr3t"}
    with pytest.raises((ConfigError, TypeError)) as caught:
        kind(**{named: "a"} | secret | problem)

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in report.stack if frame.name != "test_refusals_show_no_secret"]
    assert "s3cr3t" not in "".join(str(frame.locals) for frame in frames)
    assert repr(kind.__new__(kind)) == f"{kind.__name__}()"

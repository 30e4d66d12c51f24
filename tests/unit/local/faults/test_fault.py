"""Which faults are valid, and which requests they hit."""

from __future__ import annotations

import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.faults.draw import Draw
from aiocdf.local.faults.fault import Fault, Faults
from aiocdf.local.faults.file import read_faults


def hits(fault, count, method="GET", path="/functions", seed=1):
    draw = Draw(Faults(faults=[fault], seed=seed))
    return [draw.trouble(method, path, 0.0).fault is not None for _ in range(count)]


@pytest.mark.parametrize(
    ("endpoint", "method", "path", "hit"),
    [
        ("*", "GET", "/functions", True),
        ("* *", "GET", "/functions", True),
        ("GET *", "POST", "/functions", False),
        ("/functions", "POST", "/functions", True),
        ("/functions", "GET", "/functions/1", False),
        ("POST /functions/*/call", "POST", "/functions/1/call", True),
        ("POST /functions/{functionId}/call", "POST", "/functions/1/call", True),
        ("POST /functions/1/call", "POST", "/functions/2/call", False),
        ("POST /functions/*/call", "GET", "/functions/1/call", False),
        ("POST /functions/*/call", "POST", "/functions/1/calls", False),
        ("/oauth2/token", "POST", "/oauth2/token", True),
    ],
)
def test_endpoints(endpoint, method, path, hit):
    """A fault hits the requests of its endpoint only."""
    assert hit == Fault(kind="half", endpoint=endpoint).hits(method, path)


def test_check_of_endpoints():
    """An unknown endpoint is an error."""
    served = [("POST", "/functions/{functionId}/call"), ("GET", "/functions")]
    for endpoint in ("*", "POST /functions/1/call", "POST /functions/*/call", "/functions"):
        Faults(faults=[Fault(kind="half", endpoint=endpoint)]).check_endpoints(served)
    for endpoint in ("PUT *", "GET /functions/*/call", "/functions/*", "/function"):
        with pytest.raises(ConfigError, match="fault 2"):
            Faults(faults=[Fault(kind="half"), Fault(kind="half", endpoint=endpoint)]).check_endpoints(served)


def test_rate():
    """The rate determines how many requests are hit, the seed which ones."""
    fault = Fault(kind="reset", rate=0.2)
    first = hits(fault, 2000)
    assert 330 < sum(first) < 470
    assert first == hits(fault, 2000)
    assert first != hits(fault, 2000, seed=2)
    assert not any(hits(Fault(kind="reset", rate=0), 100))
    assert all(hits(Fault(kind="reset"), 100))


def test_times():
    """A fault hits at most `times` requests."""
    assert [True, True, False, False] == hits(Fault(kind="reset", times=2), 4)


def test_periods():
    """A fault is active only at the end of each period."""
    fault = Fault(kind="reset", every=10, lasts=2)
    draw = Draw(Faults(faults=[fault]))
    active = [second for second in range(30) if draw.trouble("GET", "/", float(second)).fault]
    assert [8, 9, 18, 19, 28, 29] == active


def test_several():
    """Latencies add up. Of the other faults, the first that hits counts."""
    late = [Fault(kind="latency", seconds=1), Fault(kind="latency", seconds=4)]
    answer_late = Fault(kind="latency", seconds=[2, 3], handled=True)
    draw = Draw(Faults(faults=[*late, answer_late, Fault(kind="reset", rate=0.5), Fault(kind="half")]))
    troubles = [draw.trouble("GET", "/", 0.0) for _ in range(200)]
    assert {5.0} == {trouble.before for trouble in troubles}
    after = sorted(trouble.after for trouble in troubles)
    assert (2, 2, 3) == (int(after[0]), int(after[-1]), round(after[-1]))
    assert {"reset", "half"} == {trouble.fault.kind for trouble in troubles}


def test_independent_draws():
    """Which requests a fault hits does not depend on the other faults."""
    fault, other = Fault(kind="latency", seconds=1, rate=0.5), Fault(kind="half", rate=0.3)
    alone, together = Draw(Faults(faults=[fault])), Draw(Faults(faults=[fault, other]))
    assert [alone.trouble("GET", "/", 0.0).before for _ in range(100)] == [
        together.trouble("GET", "/", 0.0).before for _ in range(100)
    ]


def test_statuses():
    """One of several statuses is drawn."""
    draw = Draw(Faults(faults=[Fault(kind="status", status=[500, 503])]))
    assert {500, 503} == {draw.trouble("GET", "/", 0.0).status for _ in range(50)}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kind": "flood"}, "kind"),
        ({"kind": 1}, "kind"),
        ({"kind": "half", "endpoint": "functions"}, "endpoint"),
        ({"kind": "half", "endpoint": "get /functions"}, "endpoint"),
        ({"kind": "half", "endpoint": 3}, "endpoint"),
        ({"kind": "half", "rate": 1.5}, "rate"),
        ({"kind": "half", "rate": "often"}, "rate"),
        ({"kind": "half", "rate": True}, "rate"),
        ({"kind": "half", "rate": float("nan")}, "rate"),
        ({"kind": "half", "times": 0}, "times"),
        ({"kind": "half", "times": 1.5}, "times"),
        ({"kind": "half", "every": 10}, "every"),
        ({"kind": "half", "lasts": 10}, "every"),
        ({"kind": "half", "every": 1, "lasts": 10}, "every"),
        ({"kind": "half", "handled": True}, "handled"),
        ({"kind": "reset", "handled": 1}, "handled"),
        ({"kind": "reset", "seconds": 1}, "seconds"),
        ({"kind": "latency"}, "seconds"),
        ({"kind": "latency", "seconds": -1}, "seconds"),
        ({"kind": "latency", "seconds": [2, 1]}, "seconds"),
        ({"kind": "latency", "seconds": [1, 2, 3]}, "seconds"),
        ({"kind": "latency", "seconds": "1"}, "seconds"),
        ({"kind": "status"}, "status"),
        ({"kind": "status", "status": 200}, "status"),
        ({"kind": "status", "status": [500, "503"]}, "status"),
        ({"kind": "status", "status": 429, "retry_after": -1}, "retry_after"),
        ({"kind": "reset", "retry_after": 1}, "retry_after"),
    ],
)
def test_wrong_fields(fields, named):
    """A value that is not valid is an error that names the field."""
    with pytest.raises(ConfigError, match=named):
        Fault(**fields)


def test_wrong_faults():
    """The same is true for combinations of faults."""
    with pytest.raises(ConfigError, match="dict"):
        Faults(faults=[{"kind": "half"}])
    with pytest.raises(ConfigError, match="seed"):
        Faults(faults=[], seed=1.5)


def test_file(tmp_path):
    """A file has the seed and the faults."""
    path = tmp_path / "faults.toml"
    path.write_text(
        'seed = 7\n[[fault]]\nkind = "reset"\nrate = 0.5\n'
        '[[fault]]\nendpoint = "POST /sessions"\nkind = "status"\nstatus = 429\nretry_after = 2\n'
    )
    assert read_faults(path) == Faults(
        seed=7,
        faults=[
            Fault(kind="reset", rate=0.5),
            Fault(endpoint="POST /sessions", kind="status", status=429, retry_after=2),
        ],
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "No such file"),
        ("\xff", "TOML"),
        ("seed =", "TOML"),
        ("", r"\[\[fault\]\]"),
        ("fault = 1", r"\[\[fault\]\]"),
        ("fault = [1]", r"\[\[fault\]\]"),
        ('seed = "x"\n[[fault]]\nkind = "half"', "seed"),
        ('sed = 1\n[[fault]]\nkind = "half"', "'sed'"),
        ("[[fault]]\nrate = 0.5", "fault 1: kind"),
        ('[[fault]]\nkind = "half"\n[[fault]]\nkind = "half"\nrat = 1', "fault 2: unknown 'rat'"),
        ('[[fault]]\nkind = "half"\nrate = 2', "fault 1: rate"),
    ],
)
def test_wrong_file(tmp_path, text, named):
    """An error in a file names the file, the fault and the field."""
    path = tmp_path / "faults.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=named) as caught:
        read_faults(path)
    assert "faults.toml" in str(caught.value)

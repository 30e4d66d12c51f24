from __future__ import annotations

import hashlib
import hmac
import json

import pytest

BROKEN_DATA = [
    ("double", {}, "a number 'x'"),
    ("double", {"x": "2"}, "not '2'"),
    ("daily_statistics", {"column": "snow"}, "no column 'snow'"),
    ("daily_statistics", {"year": 2016}, "year must be a whole number from 2012 to 2015"),
    ("daily_statistics", {"resamples": 10}, "resamples must be"),
    ("daily_statistics", {"seed": "x"}, "seed must be"),
    ("anomalies", {}, "needs 'values'"),
    ("anomalies", {"values": [1, "2"]}, "needs 'values'"),
    ("anomalies", {"values": [1.0] * 30}, "window must be a whole number from 5 to 29, not 30"),
    ("anomalies", {"values": [1.0] * 40, "threshold": 0}, "threshold must be"),
    ("pump_availability", {"pumps": 0}, "pumps must be a whole number from 1 to 20"),
    ("pump_availability", {"samples": 1.5}, "samples must be"),
    ("pump_availability", {"needed": 4}, "4 pumps are needed but there are only 3"),
]


@pytest.mark.parametrize(("name", "data", "message"), BROKEN_DATA)
def test_wrong_data_is_refused_with_what_is_wrong(load, name, data, message):
    """Wrong data is a ValueError that says which value is wrong and what it may be."""
    with pytest.raises(ValueError, match=message):
        load(name).handle(data)


@pytest.mark.parametrize("name", ["daily_statistics", "pump_availability"])
def test_the_same_seed_gives_the_same_answer(load, name):
    """A function that draws random numbers answers by its seed and nothing else."""
    handle = load(name).handle

    first, again, other = handle({"seed": 1}), handle({"seed": 1}), handle({"seed": 2})

    assert first == again
    assert first != other


def test_double_doubles(load):
    """Twice the number comes back, as the kind of number it is."""
    handle = load("double").handle

    assert handle({"x": 2}) == {"value": 4}
    assert handle({"x": -0.5}) == {"value": -1.0}


def test_daily_statistics_describe_the_year_asked_for(load):
    """A year is described by its own days alone, in figures that fit together."""
    handle = load("daily_statistics").handle

    leap_year, all_years = handle({"year": 2012}), handle({})
    low, high = leap_year["mean_95"]

    assert (leap_year["count"], all_years["count"]) == (366, 1461)
    assert low < leap_year["mean"] < high
    assert leap_year["min"] < leap_year["quartiles"][0] < leap_year["quartiles"][2] < leap_year["max"]


def test_daily_statistics_read_the_column_asked_for(load):
    """Columns differ: no day is warmest at its coldest."""
    handle = load("daily_statistics").handle

    assert handle({"column": "temp_min"})["max"] < handle({"column": "temp_max"})["max"]


def test_anomalies_finds_spikes_and_nothing_else(load):
    """Of a restless series, the two values that stand out are found, with the direction in the sign."""
    values = [float(index % 7) for index in range(100)]
    values[50], values[80] = 40.0, -40.0

    result = load("anomalies").handle({"values": values})

    assert result["checked"] == 70
    assert [(found["index"], found["value"]) for found in result["anomalies"]] == [(50, 40.0), (80, -40.0)]
    assert result["anomalies"][0]["score"] > 3.5
    assert result["anomalies"][1]["score"] < -3.5


def test_anomalies_does_not_judge_after_a_constant_series(load):
    """Values that never vary give no measure of what is far, so nothing is reported and nothing is divided by zero."""
    assert load("anomalies").handle({"values": [1.0] * 30 + [9.0]}) == {"checked": 1, "anomalies": []}


def test_pump_availability_agrees_with_theory_for_one_pump(load):
    """One pump is available mtbf / (mtbf + mttr) of the time."""
    plant = {"pumps": 1, "needed": 1, "mtbf_hours": 200, "mttr_hours": 50, "samples": 2000}

    result = load("pump_availability").handle(plant)

    assert result["availability"] == pytest.approx(0.8, abs=0.01)
    assert result["hours_short_p50"] < result["hours_short_p90"]


def test_a_spare_pump_helps(load):
    """The same need is met for more of the year by more pumps."""
    handle = load("pump_availability").handle

    assert handle({"pumps": 2})["availability"] < handle({"pumps": 3})["availability"] < 1


def test_signed_report_is_signed_with_the_secret(load, capsys):
    """The report names its call, the receiver can verify it with the key, and the log has the progress but no secret."""
    readings = {"TT-101": [21.5, 20.0, 22.0], "TT-102": [3]}

    result = load("signed_report").handle(
        {"readings": readings, "pause": 0}, {"signing-key": "k3y"}, {"function_id": 5, "call_id": 7}
    )
    canonical = json.dumps(result["report"], sort_keys=True, separators=(",", ":")).encode()

    assert result["report"]["call_id"] == 7
    assert result["report"]["tags"]["TT-101"] == {"low": 20.0, "high": 22.0, "last": 22.0}
    assert result["signature"] == hmac.new(b"k3y", canonical, hashlib.sha256).hexdigest()
    assert capsys.readouterr().out.splitlines() == [
        "1 of 2: TT-101, 3 readings",
        "2 of 2: TT-102, 1 readings",
        "signing",
    ]


@pytest.mark.parametrize(
    "data", [{}, {"readings": {}}, {"readings": {"TT-101": []}}, {"readings": {"TT-101": 5}}, {"readings": [1]}]
)
def test_signed_report_refuses_tags_without_readings(load, data):
    """Every tag needs a list with something in it."""
    with pytest.raises(ValueError, match="needs 'readings'"):
        load("signed_report").handle(data, {"signing-key": "k"}, {"call_id": 1})


def test_signed_report_refuses_a_long_pause(load):
    """A tag takes a second at most."""
    with pytest.raises(ValueError, match="pause must be from 0 to 1 s"):
        load("signed_report").handle({"readings": {"TT-101": [1]}, "pause": 2}, {"signing-key": "k"}, {"call_id": 1})


def test_broken_calibration_fails_by_default_and_says_what_to_mend(load):
    """The error names the tag and the remedy; what led to it is its cause."""
    module = load("broken_calibration")

    with pytest.raises(module.CalibrationError, match=r"TT-104 .* enter its span in TRANSMITTERS") as caught:
        module.handle({})

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [entry.name for entry in caught.traceback][-1] == "calibrate"


def test_broken_calibration_reads_what_is_configured(load):
    """Only the broken transmitter is broken."""
    assert load("broken_calibration").handle({"currents": {"TT-101": 12.0, "TT-102": 4.0}}) == {
        "TT-101": 50.0,
        "TT-102": 0.0,
    }


def test_broken_calibration_refuses_unknown_tags(load):
    """An unknown tag is the caller's mistake, not the table's."""
    with pytest.raises(ValueError, match=r"unknown tags \['TT-999'\]"):
        load("broken_calibration").handle({"currents": {"TT-999": 12.0}})

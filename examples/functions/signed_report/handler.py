"""Summarise readings and sign the summary with a secret. The log shows the progress."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any


def handle(data: dict[str, Any], secrets: dict[str, str], function_call_info: dict[str, Any]) -> dict[str, Any]:
    """Return a report of the readings and its HMAC-SHA256, made with the secret `signing-key`.

    Args:
        data: `readings`, the values of each tag, such as `{"TT-101": [21.5, 22.0]}`; `pause`, a delay for each tag,
            0 to 1 s (default 0.02 s).
        secrets: `signing-key`.
        function_call_info: `call_id` is written into the report.

    Raises:
        ValueError: There are no readings, a tag has none, or `pause` is out of range.
    """
    readings, pause = data.get("readings"), data.get("pause", 0.02)
    if not isinstance(readings, dict) or not readings or not all(map(is_filled_list, readings.values())):
        raise ValueError("data needs 'readings', a list of numbers for each tag, such as {'TT-101': [21.5, 22.0]}")
    if not isinstance(pause, int | float) or not 0 <= pause <= 1:
        raise ValueError(f"pause must be from 0 to 1 s, not {pause!r}")
    tags = {}
    for number, (tag, values) in enumerate(readings.items(), start=1):
        print(f"{number} of {len(readings)}: {tag}, {len(values)} readings")
        time.sleep(pause)
        tags[tag] = {"low": min(values), "high": max(values), "last": values[-1]}
    report = {"call_id": function_call_info["call_id"], "tags": tags}
    print("signing")
    return {"report": report, "signature": sign(report, secrets["signing-key"])}


def is_filled_list(value: object) -> bool:
    """Return whether `value` is a list that is not empty."""
    return isinstance(value, list) and bool(value)


def sign(report: dict[str, Any], key: str) -> str:
    """Return the signature of the report's canonical JSON, so that the receiver can verify it."""
    text = json.dumps(report, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()

"""Draws the measurements of `run.py` for the documentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from simulation import PER_PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "explanation"
COLOURS = {
    "aiocdf": "#0b6e4f",
    "loop": "#e08e0b",
    "loop patient": "#b9a44c",
    "sdk": "#a4243b",
    "sdk raised": "#6a4c93",
    "oracle": "#7a7a7a",
}


def running(calls: list[list[float]], began: float) -> tuple[list[float], list[int]]:
    """Return how many calls run from each time on."""
    steps = sorted([(call[0], 1) for call in calls] + [(call[1], -1) for call in calls])
    moments, counts = [0.0], [0]
    for moment, step in steps:
        moments.append(moment - began)
        counts.append(counts[-1] + step)
    return moments, counts


def draw_timeline(contenders: Mapping[str, Any]) -> None:
    """Draw the running calls of each contender against the project's limit."""
    figure, panels = plt.subplots(len(contenders), sharex=True, figsize=(8, 1.35 * len(contenders) + 0.8))
    for panel, (name, one) in zip(panels, contenders.items(), strict=True):
        moments, counts = running(one["calls"], one["began"])
        panel.fill_between(moments, counts, step="post", color=COLOURS[name], alpha=0.75, linewidth=0)
        panel.axhline(PER_PROJECT, color="black", linewidth=0.8)
        panel.axvline(one["ideal"], color="black", linewidth=0.8, linestyle=":")
        panel.set_title(f"{name}: {one['makespan']:.1f} s", loc="left", fontsize=9)
        panel.set_ylim(0, 1.1 * PER_PROJECT)
    panels[-1].set_xlabel("seconds; the dotted line is the ideal makespan")
    figure.supylabel("calls running at the service; the line is its limit", fontsize=9)
    save(figure, "bench-over.png")


def draw_lags(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the delay until the end of each call was seen, against its runtime."""
    names = [name for name in COLOURS if name in results["within"]]
    figure, panels = plt.subplots(1, len(names), sharex=True, sharey=True, figsize=(2.4 * len(names), 3.2))
    for panel, name in zip(panels, names, strict=True):
        calls = [
            call
            for workload in ("within", "long")
            for call in results.get(workload, {}).get(name, {"calls": []})["calls"]
        ]
        runtimes, lags = zip(*((end - start, seen - end) for start, end, seen in calls), strict=True)
        panel.loglog(runtimes, lags, ".", color=COLOURS[name], markersize=3, alpha=0.6)
        for part in (0.01, 0.1, 1.0):
            panel.plot([0.5, 60], [0.5 * part, 60 * part], color="grey", linewidth=0.6)
            panel.text(58, 34 * part, f"{part:.0%}", fontsize=7, color="grey", ha="right", va="top")
        panel.set_title(name, fontsize=9)
    panels[0].set(xlim=(0.5, 60), ylim=(0.008, 60))
    for axis in (panels[0].xaxis, panels[0].yaxis):
        axis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("end seen late by, seconds")
    figure.supxlabel("the call's runtime in seconds, in `within` and `long`", fontsize=8)
    save(figure, "bench-lag.png")


def save(figure: Any, name: str) -> None:
    """Write a figure."""
    figure.tight_layout()
    figure.savefig(DOCS / name, dpi=110)


if __name__ == "__main__":
    mpl.rcParams.update({"font.size": 8})
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results" / "latest.json"
    measured = json.loads(source.read_text())
    DOCS.mkdir(parents=True, exist_ok=True)
    draw_timeline(measured["over"])
    draw_lags(measured)

"""Runs the calls: records, submitter, poller. The decisions are in `aiocdf._policy`."""

from __future__ import annotations

from aiocdf._engine.engine import Engine

__all__ = ["Engine"]

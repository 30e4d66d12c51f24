"""What makes calls happen: records, submitter, poller. Decisions are asked of `aiocdf._policy`."""

from __future__ import annotations

from aiocdf._engine.engine import Engine

__all__ = ["Engine"]

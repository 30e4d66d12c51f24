"""The journal of a durable map: what was submitted and with which outcome, in one SQLite file."""

from __future__ import annotations

from aiocdf.batch.journal.identity import Identity
from aiocdf.batch.journal.journal import Entry, Journal, Outcome, Sending
from aiocdf.batch.journal.lock import Holder, holder_of

__all__ = ["Entry", "Holder", "Identity", "Journal", "Outcome", "Sending", "holder_of"]

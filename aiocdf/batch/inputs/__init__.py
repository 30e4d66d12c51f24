"""The inputs of a durable map: a file of JSON lines or CSV, read in pieces."""

from __future__ import annotations

from aiocdf.batch.inputs.records import BadRecord, Record
from aiocdf.batch.inputs.source import Fingerprint, Source

__all__ = ["BadRecord", "Fingerprint", "Record", "Source"]

"""Requests, responses, their errors and the one converter. No I/O."""

"""Fault injection, so that users can test how their programs handle errors."""

"""Faults on purpose, so that users can test how their programs take trouble."""

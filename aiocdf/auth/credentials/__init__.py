"""Credentials: values that describe how to get access tokens, one kind a file."""

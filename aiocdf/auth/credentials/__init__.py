"""Credentials: values that say how to get access tokens, one kind a file."""

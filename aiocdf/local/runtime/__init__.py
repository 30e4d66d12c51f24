"""Functions on disk, and the worker processes that run them."""

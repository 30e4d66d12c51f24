"""The records that the local server keeps, where it keeps them, and its limits."""

"""The records of the local server, their storage, and the server's limits."""

"""The page on which users see the calls of the local server, and call its functions."""

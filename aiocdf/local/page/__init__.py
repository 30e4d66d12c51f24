"""The page on which people see what the local server does, and call its functions."""

"""The endpoints of functions, calls and sessions, and the running of calls."""

"""The endpoints of functions, calls, schedules, files and sessions, and the code that runs calls."""

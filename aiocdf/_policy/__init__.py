"""What is decided: pure functions and state machines that take facts and `now`, and return what to do."""

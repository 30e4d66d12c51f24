"""`aiocdf serve`, and how other commands find a server that runs."""

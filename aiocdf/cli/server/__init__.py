"""`aiocdf serve`, and how other commands find a running server."""

"""OAuth 2.0: building and sending requests, reading the answers, and receiving the browser's redirect."""

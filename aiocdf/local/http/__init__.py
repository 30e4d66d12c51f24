"""The HTTP of the local server: routes, reading requests, paging and error answers."""

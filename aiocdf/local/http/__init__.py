"""HTTP of the local server: routes, request fields, paging and error responses."""

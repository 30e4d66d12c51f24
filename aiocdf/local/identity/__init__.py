"""The local identity provider: sign-in pages, grants, and the tokens that it issues."""

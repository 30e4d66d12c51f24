"""The local identity provider: sign-in pages, grants and tokens."""

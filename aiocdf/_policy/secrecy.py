"""Whether a text in a call's data looks like a secret.

Everyone who may read calls can read their data, so secrets belong in the `secrets` of the function.
"""

from __future__ import annotations

import re

__all__ = ["looks_secret"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "apikey", "credential", "credentials", "bearer"}
)
_SECRET_ENDS = (
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("account", "key"),
    ("authorization",),
    ("token",),
)
_SECRET_VALUE = re.compile(
    r"""(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.  # a JSON web token
      | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
      | ^Bearer\ \S{16,}
      | \bgh[pousr]_\w{30,}                     # GitHub
      | \bxox[abpr]-[\w-]{10,}                  # Slack
      | \bAKIA[0-9A-Z]{16}\b                    # AWS
      | ^[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@  # a URL with a password
    """,
    re.VERBOSE,
)
_VALUE_READ = 4096


def looks_secret(key: str, value: str) -> bool:
    """Return whether *key* is a usual name of a secret, or *value* has the form of one.

    Args:
        key: The name of the value; empty if it has none.
        value: The text; only its first 4,096 characters are checked.
    """
    if not value:
        return False
    words = tuple(word.lower() for word in _WORDS.findall(key))
    if not _SECRET_WORDS.isdisjoint(words) or any(words[-len(end) :] == end for end in _SECRET_ENDS):
        return True
    return _SECRET_VALUE.search(value[:_VALUE_READ]) is not None

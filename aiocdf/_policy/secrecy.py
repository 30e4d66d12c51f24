"""Whether a text that is about to be sent as data looks like a secret.

The service shows a call's data to everyone who may read calls, so secrets belong into the function's own `secrets`.
"""

from __future__ import annotations

import re

__all__ = ["looks_secret"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TELLING = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "apikey", "credential", "credentials", "bearer"}
)
_TELLING_ENDS = (
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("account", "key"),
    ("authorization",),
    ("token",),
)
_TELLING_VALUE = re.compile(
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
    """Tell whether *key* is a name people give to secrets, or *value* has the form of one.

    Args:
        key: The name the value stands under; empty when there is none.
        value: The text; only its first 4,096 characters are looked at.
    """
    if not value:
        return False
    words = tuple(word.lower() for word in _WORDS.findall(key))
    if not _TELLING.isdisjoint(words) or any(words[-len(end) :] == end for end in _TELLING_ENDS):
        return True
    return _TELLING_VALUE.search(value[:_VALUE_READ]) is not None

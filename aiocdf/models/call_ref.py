"""The reference by which a call is found again."""

from __future__ import annotations

import attrs

__all__ = ["CallRef"]


@attrs.frozen(kw_only=True)
class CallRef:
    """Where a call is found again: nothing secret, good to store, log and send.

    Take it from `handle.ref`, or from the `ref` of an error, and give it or its `token` to `client.attach`.
    """

    #: The cluster's name, or host and port of an address that is none of Cognite's.
    cluster: str
    project: str
    function_id: int
    call_id: int

    @property
    def token(self) -> str:
        """The reference as one string.

        For example, `cdf:westeurope-1:acme:12:345`.
        """
        return f"cdf:{self.cluster}:{self.project}:{self.function_id}:{self.call_id}"

    def __str__(self) -> str:
        """Return the token."""
        return self.token

"""How long to wait after a failed token request, so that not each call sends one to the provider."""

from __future__ import annotations

from aiocdf.errors import AuthError, LoginRequired

__all__ = ["answers_for", "is_lasting", "pause"]

#: Seconds: how long a failure counts at least, and at most for a refusal and for a wait that the provider requests.
_LEAST, _LONGEST_REFUSAL, _LONGEST_WISH = 1.0, 60.0, 3600.0
#: Seconds before a token that is still good is renewed again: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0
#: Keeps the exponent within what a float can hold.
_DOUBLINGS = 10


def is_lasting(error: Exception) -> bool:
    """Return whether the provider would refuse the next request, too.

    A missing sign-in costs no request, and the user may sign in elsewhere at any time.
    """
    return not isinstance(error, LoginRequired) and not (isinstance(error, AuthError) and error.passing)


def answers_for(error: Exception, refusals: int) -> float:
    """Return for how many seconds a failure is the answer to all requests for a token.

    Args:
        error: The failure.
        refusals: How many failures in a row were lasting, up to this one.
    """
    ours = min(_LONGEST_REFUSAL, _LEAST * 2.0 ** min(max(0, refusals - 1), _DOUBLINGS))
    return max(ours, _requested(error))


def pause(error: Exception, failures: int) -> float:
    """Return the seconds to wait before a token that is still good is renewed again: 5, doubling to 60.

    Args:
        error: The last failure.
        failures: How many there were in a row.
    """
    return max(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, _DOUBLINGS)), _requested(error))


def _requested(error: Exception) -> float:
    """Return the seconds that the provider requested to wait."""
    wish = error.retry_after if isinstance(error, AuthError) else None
    return min(wish or 0.0, _LONGEST_WISH)

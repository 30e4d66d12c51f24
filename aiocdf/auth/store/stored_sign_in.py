"""A user's sign-in as a token store keeps it: the access token and the refresh token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock
from aiocdf.auth.oauth.token import AccessToken, json_object, read_seconds
from aiocdf.config import shown_url
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StoredSignIn"]


@attrs.frozen(kw_only=True)
class StoredSignIn:
    """The tokens of one sign-in, as a token store keeps them."""

    token: AccessToken
    #: Where the refresh token came from; it is sent to this address only.
    token_url: str = attrs.field(repr=shown_url)

    def text(self) -> Secret:
        """Return it as text to keep; `read` reads it."""
        token, refresh_token = self.token, self.token.refresh_token
        return Secret(
            json.dumps(
                {
                    "token_url": self.token_url,
                    "asked_at": token.asked_at_wall,
                    "life": token.life,
                    "renew_after": token.renew_after,
                    "access_token": token.secret.reveal(),
                    "refresh_token": refresh_token.reveal() if refresh_token else None,
                }
            )
        )

    @classmethod
    def read(cls, text: Secret) -> StoredSignIn | None:
        """Read a stored text; None if it is not one of ours."""
        return _stored_sign_in(json_object(text.reveal().encode()))


def _stored_sign_in(kept: Mapping[str, Any]) -> StoredSignIn | None:
    access_token, refresh_token, token_url = (kept.get(name) for name in ("access_token", "refresh_token", "token_url"))
    asked_at, life = read_seconds(kept.get("asked_at")), read_seconds(kept.get("life"))
    if not isinstance(access_token, str) or not isinstance(token_url, str) or asked_at is None or life is None:
        return None
    age = _clock.wall() - asked_at
    return StoredSignIn(
        token_url=token_url,
        token=AccessToken.lasting(
            Secret(access_token),
            life,
            # Made in the future: the clock was set back, so its age is unknown.
            asked_at=_clock.monotonic() - (age if age >= 0 else life),
            asked_at_wall=asked_at,
            renew_in=read_seconds(kept.get("renew_after")),
            refresh_token=Secret(refresh_token) if isinstance(refresh_token, str) else None,
        ),
    )

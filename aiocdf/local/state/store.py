"""Where the local server keeps tokens, sessions and calls."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiocdf.local.state.records import Access, Call, CallQuery, LogLine, RefreshToken, Session

__all__ = ["MemoryStore", "Store"]

#: Tokens that have expired are dropped each time that so many more are kept.
SWEEP_EVERY = 1_000


class Store(Protocol):
    """What the server needs of a store; tokens and nonces come as digests only."""

    async def add_token(self, digest: bytes, access: Access) -> None:
        """Keep what a token allows."""

    async def access(self, digest: bytes) -> Access | None:
        """Return what a token allows, or None if it is unknown."""

    async def drop_token(self, digest: bytes) -> None:
        """Forget a token."""

    async def add_refresh_token(self, digest: bytes, token: RefreshToken) -> None:
        """Keep what is behind a refresh token."""

    async def refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return what is behind a refresh token, or None if it is unknown."""

    async def use_refresh_token(self, digest: bytes) -> bool:
        """Mark a refresh token as used, and tell whether it was there and not used before."""

    async def end_consent(self, consent_id: str) -> None:
        """Forget all tokens of a consent."""

    async def add_session(self, session: Session, nonce: bytes) -> None:
        """Keep a session that can be bound with the nonce."""

    async def bind_session(self, nonce: bytes, now: int) -> Session | None:
        """Use up the nonce and return its session, now ACTIVE; None if the nonce is unknown, used or too old."""

    async def sessions(self, ids: Sequence[int]) -> list[Session]:
        """Return the sessions that are known, in the order asked for."""

    async def list_sessions(self, *, status: str | None, before: int | None, limit: int) -> list[Session]:
        """Return sessions, newest first, with ids below `before`."""

    async def revoke_sessions(self, ids: Iterable[int]) -> None:
        """Make the sessions REVOKED and forget their tokens."""

    async def add_call(self, call: Call) -> None:
        """Keep a call that starts now."""

    async def finish_call(self, call: Call, log: Sequence[LogLine]) -> None:
        """Replace a call by its finished self, and keep its log."""

    async def calls(self, function_id: int, ids: Sequence[int]) -> list[Call]:
        """Return the calls that are known, in the order asked for."""

    async def list_calls(self, function_id: int, query: CallQuery) -> list[Call]:
        """Return a function's calls that match, newest first."""

    async def log(self, call_id: int) -> Sequence[LogLine]:
        """Return the log of a finished call."""

    async def last_called(self) -> Mapping[int, int]:
        """Return when each function was last called, in epoch milliseconds, by function id."""


@attrs.define
class MemoryStore:
    """A store that ends with the process."""

    _tokens: dict[bytes, Access] = attrs.field(factory=dict, init=False, repr=False)
    _refresh_tokens: dict[bytes, RefreshToken] = attrs.field(factory=dict, init=False, repr=False)
    _nonces: dict[bytes, int] = attrs.field(factory=dict, init=False, repr=False)
    _sessions: dict[int, Session] = attrs.field(factory=dict, init=False)
    _calls: dict[int, dict[int, Call]] = attrs.field(factory=dict, init=False)
    _logs: dict[int, Sequence[LogLine]] = attrs.field(factory=dict, init=False)

    async def add_token(self, digest: bytes, access: Access) -> None:
        """Keep what a token allows."""
        _drop_expired(self._tokens)
        self._tokens[digest] = access

    async def access(self, digest: bytes) -> Access | None:
        """Return what a token allows, or None if it is unknown."""
        return self._tokens.get(digest)

    async def drop_token(self, digest: bytes) -> None:
        """Forget a token."""
        self._tokens.pop(digest, None)

    async def add_refresh_token(self, digest: bytes, token: RefreshToken) -> None:
        """Keep what is behind a refresh token."""
        _drop_expired(self._refresh_tokens)
        self._refresh_tokens[digest] = token

    async def refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return what is behind a refresh token, or None if it is unknown."""
        return self._refresh_tokens.get(digest)

    async def use_refresh_token(self, digest: bytes) -> bool:
        """Mark a refresh token as used, and tell whether it was there and not used before."""
        token = self._refresh_tokens.get(digest)
        if token is None or token.used:
            return False
        self._refresh_tokens[digest] = attrs.evolve(token, used=True)
        return True

    async def end_consent(self, consent_id: str) -> None:
        """Forget all tokens of a consent."""
        for digest in [digest for digest, access in self._tokens.items() if access.consent_id == consent_id]:
            del self._tokens[digest]
        for digest in [digest for digest, token in self._refresh_tokens.items() if token.consent.id == consent_id]:
            del self._refresh_tokens[digest]

    async def add_session(self, session: Session, nonce: bytes) -> None:
        """Keep a session that can be bound with the nonce."""
        self._sessions[session.id] = session
        self._nonces[nonce] = session.id

    async def bind_session(self, nonce: bytes, now: int) -> Session | None:
        """Use up the nonce and return its session, now ACTIVE; None if the nonce is unknown, used or too old."""
        session_id = self._nonces.pop(nonce, None)
        if session_id is None:
            return None
        session = self._sessions[session_id]
        if session.status != "READY" or session.nonce_expires <= now:
            return None
        self._sessions[session_id] = bound = attrs.evolve(session, status="ACTIVE")
        return bound

    async def sessions(self, ids: Sequence[int]) -> list[Session]:
        """Return the sessions that are known, in the order asked for."""
        return [self._sessions[session_id] for session_id in ids if session_id in self._sessions]

    async def list_sessions(self, *, status: str | None, before: int | None, limit: int) -> list[Session]:
        """Return sessions, newest first, with ids below `before`."""
        matching = (
            session
            for session in reversed(self._sessions.values())
            if status in {None, session.status} and (before is None or session.id < before)
        )
        return list(islice(matching, limit))

    async def revoke_sessions(self, ids: Iterable[int]) -> None:
        """Make the sessions REVOKED and forget their tokens."""
        revoked = set(ids)
        for session_id in revoked:
            self._sessions[session_id] = attrs.evolve(self._sessions[session_id], status="REVOKED")
        for digest in [digest for digest, access in self._tokens.items() if access.session_id in revoked]:
            del self._tokens[digest]

    async def add_call(self, call: Call) -> None:
        """Keep a call that starts now."""
        self._calls.setdefault(call.function_id, {})[call.id] = call

    async def finish_call(self, call: Call, log: Sequence[LogLine]) -> None:
        """Replace a call by its finished self, and keep its log."""
        self._calls[call.function_id][call.id] = call
        self._logs[call.id] = log

    async def calls(self, function_id: int, ids: Sequence[int]) -> list[Call]:
        """Return the calls that are known, in the order asked for."""
        calls = self._calls.get(function_id, {})
        return [calls[call_id] for call_id in ids if call_id in calls]

    async def list_calls(self, function_id: int, query: CallQuery) -> list[Call]:
        """Return a function's calls that match, newest first."""
        calls = self._calls.get(function_id, {})
        return list(islice(filter(query.matches, reversed(calls.values())), query.limit))

    async def log(self, call_id: int) -> Sequence[LogLine]:
        """Return the log of a finished call."""
        return self._logs.get(call_id, ())

    async def last_called(self) -> Mapping[int, int]:
        """Return when each function was last called, in epoch milliseconds, by function id."""
        return {function_id: next(reversed(calls.values())).start_time for function_id, calls in self._calls.items()}


def _drop_expired(tokens: dict[bytes, Access] | dict[bytes, RefreshToken]) -> None:
    """Forget tokens that have expired, now and then, so that adding one stays cheap."""
    if tokens and len(tokens) % SWEEP_EVERY == 0:
        now = time.time()
        for digest in [digest for digest, token in tokens.items() if token.expires <= now]:
            del tokens[digest]

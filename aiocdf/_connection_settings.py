"""How environment variables set a client's connections."""

from __future__ import annotations

import os
from typing import Any

import attrs

from aiocdf.config import Settings
from aiocdf.errors import ConfigError

__all__ = ["connection_settings"]

_SWITCH = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def connection_settings(settings: Any) -> Any:
    """Return *settings* with what AIOCDF_TRUST_ENV and AIOCDF_CA_FILE add.

    They decide who can read a request, so that they come from the environment alone: a file in the working directory may
    be another person's.

    Args:
        settings: The caller's; None for the defaults. What is not `Settings` comes back as it is, for the client to refuse.

    Raises:
        ConfigError: AIOCDF_TRUST_ENV is neither 1 nor 0.
    """
    switch = _SWITCH.get(os.environ.get("AIOCDF_TRUST_ENV", "").strip().lower())
    if switch is None:
        raise ConfigError("AIOCDF_TRUST_ENV must be 1, to use the proxy of HTTPS_PROXY, or 0")
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        return settings
    return attrs.evolve(
        settings,
        trust_env=settings.trust_env or switch,
        ca_file=settings.ca_file or os.environ.get("AIOCDF_CA_FILE") or None,
    )

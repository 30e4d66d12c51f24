"""Reads the arguments of a client from environment variables and settings files."""

from __future__ import annotations

import os
from typing import Any

import attrs

from aiocdf._environment import read_environment
from aiocdf.auth import credentials_from
from aiocdf.config import Settings, address_of
from aiocdf.errors import ConfigError
from aiocdf.secret import hide_arguments

__all__ = ["client_arguments", "connection_settings"]

_SWITCH = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


@hide_arguments
def client_arguments(overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for `Client`.

    Args:
        overrides: The caller's arguments, which take precedence over the environment.

    Raises:
        ConfigError: A setting is missing or not valid, or the settings file is not trusted.
    """
    base_url, cluster = overrides.pop("base_url", None), overrides.pop("cluster", None)
    credentials = overrides.pop("credentials", None)
    environment = read_environment(
        project=overrides.pop("project", None),
        base_url=None if base_url is None and cluster is None else address_of(base_url, cluster),
        has_credentials=credentials is not None,
    )
    return overrides | {
        "project": environment.project,
        "base_url": environment.base_url,
        "credentials": credentials_from(environment) if credentials is None else credentials,
        "settings": connection_settings(overrides.get("settings")),
    }


def connection_settings(settings: Any) -> Any:
    """Return *settings* with the values of AIOCDF_TRUST_ENV and AIOCDF_CA_FILE.

    They decide who can read a request, so they come only from the environment: a file in the working directory may be
    from another user.

    Args:
        settings: The caller's settings; None for the defaults. Another type is returned unchanged, and `Client` rejects
            it.

    Raises:
        ConfigError: AIOCDF_TRUST_ENV is neither 1 nor 0.
    """
    switch = _SWITCH.get(os.environ.get("AIOCDF_TRUST_ENV", "").strip().lower())
    if switch is None:
        raise ConfigError("AIOCDF_TRUST_ENV must be 1 (use the proxy of HTTPS_PROXY) or 0")
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        return settings
    return attrs.evolve(
        settings,
        trust_env=settings.trust_env or switch,
        ca_file=settings.ca_file or os.environ.get("AIOCDF_CA_FILE") or None,
    )

"""Reads the project and the sign-in from environment variables and `aiocdf.toml`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiocdf._config_file import plain_or_secret, printable, read_config_file
from aiocdf.config import base_url_of, check_url, shown_url
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, hide_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Values = Mapping[str, str | Secret]

__all__ = ["Environment", "read_environment"]

#: The file to read from the working directory, and the variable that names another one.
_FILE, _FILE_VARIABLE = "aiocdf.toml", "AIOCDF_CONFIG"
#: Each group of variables is one address: a source with precedence that sets one of them replaces them all.
_SERVICE = frozenset({"CDF_CLUSTER", "CDF_URL"})
_PROVIDER = frozenset({"IDP_AUTHORITY_URL", "IDP_DISCOVERY_URL", "IDP_TENANT_ID", "IDP_TOKEN_URL", "PROVIDER"})
_SECRETS = frozenset({"CDF_TOKEN", "IDP_CLIENT_SECRET"})
_PLAIN = (
    _SERVICE
    | _PROVIDER
    | {
        "AIOCDF_TOKEN_STORE",
        "CDF_PROJECT",
        "IDP_AUDIENCE",
        "IDP_CLIENT_ID",
        "IDP_REDIRECT_URI",
        "IDP_SCOPES",
        "LOGIN_FLOW",
    }
)
# Wider than the names that are read, so that an error also shows misspelled names.
_OF_OUR_KIND = re.compile(r"AIOCDF_TOKEN_STORE$|CDF_|IDP_|(?:LOGIN_FLOW|PROVIDER)$")
#: The characters that stand for bytes that are not UTF-8.
_UNDECODABLE = re.compile("[\ud800-\udfff]")


@attrs.frozen(kw_only=True)
class Environment:
    """The project and the sign-in, from the variables that Cognite's tools also read."""

    project: str
    #: The address that requests are sent to.
    base_url: str = attrs.field(repr=shown_url)
    #: The audience of access tokens: the cluster's address, even if CDF_URL sends requests to another address.
    cluster_url: str = attrs.field(repr=shown_url)
    login_flow: str
    provider: str
    token: Secret | None = None
    tenant: str | None = None
    authority_url: str | None = attrs.field(default=None, repr=shown_url)
    discovery_url: str | None = attrs.field(default=None, repr=shown_url)
    token_url: str | None = attrs.field(default=None, repr=shown_url)
    redirect_uri: str | None = attrs.field(default=None, repr=shown_url)
    client_id: str | None = None
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    token_store: str
    #: Names of the variables of this kind that are set.
    found: tuple[str, ...] = ()
    #: Names of variables in a file that are not used, because the environment or an argument sets the same address.
    replaced: tuple[str, ...] = ()

    def missing(self, *names: str) -> str:
        """Return the error message for missing variables."""
        return _missing(names, self.found, self.replaced)

    @classmethod
    @hide_arguments
    def read(
        cls,
        variables: Values,
        *,
        file: Values | None = None,
        trusts_file: bool = False,
        project: str | None = None,
        base_url: str | None = None,
        has_credentials: bool = False,
    ) -> Environment:
        """Read *variables* and *file*. The variables take precedence over the file, and the other arguments over both.

        An address from *file* is used only with secrets from the same file, unless the file is trusted.

        Args:
            variables: The environment variables. An empty value counts as missing.
            file: The values of a settings file, by the same names.
            trusts_file: Whether the user named this file. Otherwise it is a file that was in the working directory.
            project: The project, instead of CDF_PROJECT.
            base_url: The address, instead of CDF_URL and CDF_CLUSTER.
            has_credentials: Whether the caller has credentials, whose secrets need the same protection.

        Raises:
            ConfigError: The project or the address is missing; the message names the variables to set and those found.
                Or a secret would be sent to an address from an untrusted file. Or a value is not valid.
        """
        given, added = _of_our_kind(variables), _of_our_kind(file or {})
        replaced = _replaced(given, added, has_address=bool(base_url))
        given = {name: value for name, value in given.items() if not (base_url and name in _SERVICE)}
        added = {name: value for name, value in added.items() if name not in given.keys() | replaced}
        environment = _read(added | given, project=project, base_url=base_url, replaced=replaced)
        if not trusts_file:
            _check_trust(environment.login_flow, given, added, has_credentials=has_credentials)
        return environment


@hide_arguments
def read_environment(
    *, project: str | None = None, base_url: str | None = None, has_credentials: bool = False
) -> Environment:
    """Read the environment variables and the settings file.

    The file is the one that AIOCDF_CONFIG names. Without that variable, it is the one in the working directory, if any.

    Args:
        project: The project, instead of CDF_PROJECT.
        base_url: The address, instead of CDF_URL and CDF_CLUSTER.
        has_credentials: Whether the caller has credentials.

    Raises:
        ConfigError: See `Environment.read` and `read_config_file`.
    """
    named = os.environ.get(_FILE_VARIABLE, "").strip()
    file = read_config_file(
        Path(named or _FILE),
        shown=f"{printable(named)} (named by {_FILE_VARIABLE})" if named else _FILE,
        plain=_PLAIN,
        secret=_SECRETS,
        optional=not named,
    )
    return Environment.read(
        os.environ,
        file=file,
        trusts_file=bool(named),
        project=project,
        base_url=base_url,
        has_credentials=has_credentials,
    )


def _of_our_kind(variables: Values) -> dict[str, str | Secret]:
    """Return the non-empty variables for project and sign-in; secrets are wrapped."""
    return {
        name: text
        for name, value in variables.items()
        if _OF_OUR_KIND.match(name) and (text := plain_or_secret(value, is_plain=name in _PLAIN))
    }


def _replaced(given: Values, added: Values, *, has_address: bool) -> frozenset[str]:
    """Return the variables of a file that another source replaces: it sets the same address, maybe by another name."""
    groups = [group for group in (_SERVICE, _PROVIDER) if group & given.keys() or (group is _SERVICE and has_address)]
    return frozenset().union(*groups) & added.keys() - given.keys()


def _read(values: Values, *, project: str | None, base_url: str | None, replaced: frozenset[str]) -> Environment:
    secrets = {name: value for name, value in values.items() if isinstance(value, Secret)}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if undecodable := sorted(name for name, text in texts.items() if _UNDECODABLE.search(text)):
        raise ConfigError(f"{' and '.join(undecodable)}: the value is not UTF-8 text.")
    cluster = texts.get("CDF_CLUSTER")
    cluster_url = base_url_of(cluster) if cluster else None
    address = base_url or texts.get("CDF_URL") or cluster_url
    project = project or texts.get("CDF_PROJECT")
    if not project or not address:
        missing = [] if project else ["CDF_PROJECT"]
        missing += [] if address else ["CDF_CLUSTER or CDF_URL"]
        raise ConfigError(_missing(missing, values, replaced))
    if "CDF_URL" in texts:
        check_url(address, what="CDF_URL")
    return Environment(
        project=project,
        base_url=address,
        cluster_url=cluster_url or address,
        login_flow=texts.get("LOGIN_FLOW", "token" if "CDF_TOKEN" in secrets else "client_credentials").lower(),
        provider=texts.get("PROVIDER", "entra_id").lower(),
        token=secrets.get("CDF_TOKEN"),
        tenant=texts.get("IDP_TENANT_ID"),
        authority_url=texts.get("IDP_AUTHORITY_URL"),
        discovery_url=texts.get("IDP_DISCOVERY_URL"),
        token_url=texts.get("IDP_TOKEN_URL"),
        redirect_uri=texts.get("IDP_REDIRECT_URI"),
        client_id=texts.get("IDP_CLIENT_ID"),
        client_secret=secrets.get("IDP_CLIENT_SECRET"),
        scopes=tuple(texts.get("IDP_SCOPES", "").replace(",", " ").split()),
        audience=texts.get("IDP_AUDIENCE"),
        token_store=texts.get("AIOCDF_TOKEN_STORE", "file").lower(),
        found=tuple(values),
        replaced=tuple(replaced),
    )


def _check_trust(flow: str, given: Values, added: Values, *, has_credentials: bool) -> None:
    """Check that no secret is sent to an address from a file in the working directory, which may be another user's.

    Raises:
        ConfigError: The file sets the address, but not the secret.
    """
    secret, addresses = _sent(flow, has_credentials=has_credentials)
    led = sorted(addresses & added.keys())
    if led and (secret not in _SECRETS or secret in given):
        raise ConfigError(
            f"{secret} would be sent to an address from {_FILE} in the working directory ({', '.join(led).lower()})."
            f" Set {' and '.join(led)} in the environment instead. Or, if you trust the file, name it:"
            f" {_FILE_VARIABLE}=./{_FILE}"
        )


def _sent(flow: str, *, has_credentials: bool) -> tuple[str, frozenset[str]]:
    """Return the name of the secret, and the variables that decide where it is sent."""
    if has_credentials:
        return "the token of the credentials from the program", _SERVICE
    match flow:
        case "token":
            return "CDF_TOKEN", _SERVICE
        case "client_credentials":
            return "IDP_CLIENT_SECRET", _SERVICE | _PROVIDER
        case _:
            # Users see where they sign in, but not where the token is sent. A cluster is always one of Cognite's.
            return "the token of your sign-in", frozenset({"CDF_URL"})


def _missing(missing: Iterable[str], found: Iterable[str], replaced: Iterable[str]) -> str:
    """Return the error message for missing variables, with the names of those that are set, never with a value."""
    unused = ", ".join(sorted(replaced)).lower()
    return (
        f"neither the environment nor {_FILE} sets {' and '.join(missing)}"
        f" (set: {printable(', '.join(sorted(found))) or 'none of these variables'}). "
        + (f"{unused} in the file is not used, because the environment sets the same address. " if unused else "")
        + "Set them, or start a local server with `aiocdf serve DIR`, which prints their values."
    )

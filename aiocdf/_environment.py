"""What environment variables and `aiocdf.toml` say about project and sign-in."""

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

#: The file that is read from the working directory, and the variable that names another.
_FILE, _FILE_VARIABLE = "aiocdf.toml", "AIOCDF_CONFIG"
#: The variables that together are one address: a stronger source that sets one of them replaces them all.
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
# Wider than what we read, so that an error also shows a name that was meant to be one of these.
_OF_OUR_KIND = re.compile(r"AIOCDF_TOKEN_STORE$|CDF_|IDP_|(?:LOGIN_FLOW|PROVIDER)$")
#: What stands for a byte that is not UTF-8.
_UNDECODABLE = re.compile("[\ud800-\udfff]")


@attrs.frozen(kw_only=True)
class Environment:
    """What the variables that Cognite's own tools read say about project and sign-in."""

    project: str
    #: Where requests go.
    base_url: str = attrs.field(repr=shown_url)
    #: What access tokens are for: the cluster's own address, also where CDF_URL sends requests by another one.
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
    #: Names of those in a file that are not used, because a stronger source sets the same address.
    replaced: tuple[str, ...] = ()

    def missing(self, *names: str) -> str:
        """Say which variables are missing, for an error's message."""
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
        """Read *variables*, then what *file* adds; what is given beside them counts for more.

        An address that *file* sets is used only with secrets of the same file, unless the file is trusted.

        Args:
            variables: The environment variables. An empty value counts as a missing one.
            file: What a settings file sets, by the same names.
            trusts_file: Somebody chose this file; otherwise it is the one that the working directory happens to have.
            project: The project, instead of CDF_PROJECT.
            base_url: The address, instead of CDF_URL and CDF_CLUSTER.
            has_credentials: The caller has credentials already, whose secrets are as good as the environment's.

        Raises:
            ConfigError: The project or the address is missing; the message names the variables to set and those found.
                Or a secret would be sent where an untrusted file says. Or a value cannot be used.
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
    """Read the environment variables, and the settings file.

    The file is the one that AIOCDF_CONFIG names, or else the one in the working directory, if there is one.

    Args:
        project: The project, instead of CDF_PROJECT.
        base_url: The address, instead of CDF_URL and CDF_CLUSTER.
        has_credentials: The caller has credentials already.

    Raises:
        ConfigError: As `Environment.read` and `read_config_file` raise it.
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
    """Return the variables of our kind that are not empty; secrets are wrapped."""
    return {
        name: text
        for name, value in variables.items()
        if _OF_OUR_KIND.match(name) and (text := plain_or_secret(value, is_plain=name in _PLAIN))
    }


def _replaced(given: Values, added: Values, *, has_address: bool) -> frozenset[str]:
    """Return what a file sets in vain, because a stronger source sets the same address, perhaps by another variable."""
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
    """Refuse to send a secret to an address from the working directory's file, which another user may have put there.

    Raises:
        ConfigError: The secret is not from the same file.
    """
    secret, addresses = _sent(flow, has_credentials=has_credentials)
    led = sorted(addresses & added.keys())
    if led and (secret not in _SECRETS or secret in given):
        raise ConfigError(
            f"{secret} would be sent where {_FILE} in the working directory says: it sets {', '.join(led).lower()}."
            f" Set {' and '.join(led)} in the environment instead; or trust the file by naming it:"
            f" {_FILE_VARIABLE}=./{_FILE}"
        )


def _sent(flow: str, *, has_credentials: bool) -> tuple[str, frozenset[str]]:
    """Return what is secret, and the variables that decide where it is sent."""
    if has_credentials:
        return "the token of the credentials that are given in code", _SERVICE
    match flow:
        case "token":
            return "CDF_TOKEN", _SERVICE
        case "client_credentials":
            return "IDP_CLIENT_SECRET", _SERVICE | _PROVIDER
        case _:
            # Users see where they sign in, but not where the token goes. A cluster is always one of Cognite's.
            return "the token of your sign-in", frozenset({"CDF_URL"})


def _missing(missing: Iterable[str], found: Iterable[str], replaced: Iterable[str]) -> str:
    """Say which variables are missing, and which *found* ones of their kind are set; never a value."""
    unused = ", ".join(sorted(replaced)).lower()
    return (
        f"neither the environment nor {_FILE} sets {' and '.join(missing)}"
        f" (set are: {printable(', '.join(sorted(found))) or 'none of its kind'}). "
        + (f"The file's {unused} is not used, because the environment sets the same address. " if unused else "")
        + "Set them, or start a local server with `aiocdf serve DIR`, which prints them."
    )

"""What environment variables and `aiocdf.toml` say about project and sign-in."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiocdf.config import base_url_of, check_url
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Environment", "read_variables"]

#: The file that is read from the working directory, and the variable that names another.
_FILE, _FILE_VARIABLE = "aiocdf.toml", "AIOCDF_CONFIG"
_SECRETS = frozenset({"CDF_TOKEN", "IDP_CLIENT_SECRET"})
_PLAIN = frozenset(
    {
        "AIOCDF_TOKEN_STORE",
        "CDF_CLUSTER",
        "CDF_PROJECT",
        "CDF_URL",
        "IDP_AUDIENCE",
        "IDP_AUTHORITY_URL",
        "IDP_CLIENT_ID",
        "IDP_DISCOVERY_URL",
        "IDP_REDIRECT_URI",
        "IDP_SCOPES",
        "IDP_TENANT_ID",
        "IDP_TOKEN_URL",
        "LOGIN_FLOW",
        "PROVIDER",
    }
)
# Wider than what we read, so that an error also shows a name that was meant to be one of these.
_OF_OUR_KIND = re.compile(r"AIOCDF_TOKEN_STORE$|CDF_|IDP_|(?:LOGIN_FLOW|PROVIDER)$")
#: Where the parser of TOML says that it stopped.
_PLACE = re.compile(r" \(at (?:line \d+, column \d+|end of document)\)$")


@attrs.frozen(kw_only=True)
class Environment:
    """What the variables that Cognite's own tools read say about project and sign-in."""

    project: str
    base_url: str
    login_flow: str
    provider: str
    token: Secret | None = None
    tenant: str | None = None
    authority_url: str | None = None
    discovery_url: str | None = None
    token_url: str | None = None
    redirect_uri: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    token_store: str
    #: Names of the variables of this kind that are set.
    found: tuple[str, ...] = ()

    def missing(self, *names: str) -> str:
        """Say which variables are missing, for an error's message."""
        return _missing(names, self.found)

    @classmethod
    def read(
        cls, variables: Mapping[str, str | Secret], *, project: str | None = None, base_url: str | None = None
    ) -> Environment:
        """Read *variables*; what is given beside them counts for more.

        Args:
            variables: Such as `read_variables` returns. An empty value counts as a missing one.
            project: The project, instead of CDF_PROJECT.
            base_url: The address, instead of CDF_URL and CDF_CLUSTER.

        Raises:
            ConfigError: Neither a project, nor an address; the message names the variables to set and those found.
                Or CDF_URL is no address that secrets may be sent to.
        """
        found = {
            name: text
            for name, value in variables.items()
            if _OF_OUR_KIND.match(name) and (text := _value(name, value))
        }
        secrets = {name: value for name, value in found.items() if isinstance(value, Secret)}
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        cluster = texts.get("CDF_CLUSTER")
        address = base_url or texts.get("CDF_URL") or (base_url_of(cluster) if cluster else None)
        project = project or texts.get("CDF_PROJECT")
        if not project or not address:
            missing = [] if project else ["CDF_PROJECT"]
            missing += [] if address else ["CDF_CLUSTER or CDF_URL"]
            raise ConfigError(_missing(missing, found))
        if not base_url and "CDF_URL" in texts:
            check_url(address, what="CDF_URL")
        return cls(
            project=project,
            base_url=address,
            login_flow=texts.get("LOGIN_FLOW", "token" if "CDF_TOKEN" in found else "client_credentials").lower(),
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
            found=tuple(found),
        )


def read_variables() -> Mapping[str, str | Secret]:
    """Return the environment variables on top of what `aiocdf.toml` says, which has the same names in lower case.

    The file is the one that AIOCDF_CONFIG names, or else the one in the working directory, if there is one.

    Raises:
        ConfigError: The file cannot be read, has names or values that are none of ours, or has secrets that others
            can read.
    """
    named = os.environ.get(_FILE_VARIABLE)
    path = Path(named or _FILE)
    kept = _read_file(path, f"{path} (named by {_FILE_VARIABLE})" if named else _FILE) if named or path.exists() else {}
    return kept | {name: text for name, value in os.environ.items() if (text := _value(name, value))}


def _read_file(path: Path, shown: str) -> dict[str, str | Secret]:
    """Read a file; secrets are wrapped before anything is said of it, for tracebacks may show what is at hand."""
    import tomllib  # takes its time to import, and few programs have such a file

    problem = None
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            kept = {name.upper(): _value(name.upper(), value) for name, value in tomllib.load(file).items()}
    except OSError as error:
        raise ConfigError(f"cannot read {shown}: {error.strerror}") from None
    except ValueError as error:
        # Of what the parser raised no more than the place: the rest holds the text.
        problem = f"is no TOML file{''.join(_PLACE.findall(str(error)))}."
    if problem := problem or _problem(kept, is_private=_is_private(mode)):
        raise ConfigError(f"{shown} {problem}")
    return {name: value for name, value in kept.items() if value}


def _problem(kept: Mapping[str, str | Secret | None], *, is_private: bool) -> str | None:
    """Say what is wrong with what a file holds."""
    if unknown := kept.keys() - _PLAIN - _SECRETS:
        names = ", ".join(sorted(_PLAIN | _SECRETS)).lower()
        return f"sets {', '.join(sorted(unknown)).lower()}, and can set {names}."
    if (secrets := kept.keys() & _SECRETS) and not is_private:
        return f"holds {' and '.join(sorted(secrets)).lower()} and is open to other users: chmod 600"
    if wrong := [name.lower() for name, value in kept.items() if value is None]:
        return f"sets {', '.join(wrong)} to what is neither a text nor a list of texts."
    return None


def _value(name: str, value: object) -> str | Secret | None:
    """Return a value as a variable would have it; None for what is no text.

    What is not known to be plain is wrapped: it may be a secret under a name with a slip in it.
    """
    if isinstance(value, Secret):
        return value
    values = value if isinstance(value, list) else [value]
    words = [word.strip() for word in values if isinstance(word, str)]
    if len(words) < len(values):
        return None
    return " ".join(words) if name in _PLAIN else Secret(" ".join(words))


def _is_private(mode: int) -> bool:
    """Tell whether nobody but the owner can read the file; on Windows, modes do not say."""
    return sys.platform == "win32" or not mode & (stat.S_IRWXG | stat.S_IRWXO)


def _missing(missing: Iterable[str], found: Iterable[str]) -> str:
    """Say which variables are missing, and which *found* ones of their kind are set; never a value."""
    return (
        f"neither the environment nor {_FILE} sets {' and '.join(missing)}"
        f" (set are: {', '.join(sorted(found)) or 'none of its kind'}). "
        "Set them, or start a local server with `aiocdf serve DIR`, which prints them."
    )

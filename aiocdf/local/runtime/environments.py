"""Virtual environments with the requirements of functions. Functions with the same requirements share one."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.interpreters import Interpreter

__all__ = ["Environments", "default_cache"]

_REQUIREMENTS = "requirements.txt"
_COMPLETE = "complete"
_INSTALL_LIMIT = 600.0
_TAIL = 2000
_FORMAT = 1  # part of each name, so that a release does not use environments that another release built differently


def default_cache() -> Path:
    """Return the cache folder: `aiocdf` in `$XDG_CACHE_HOME` or in the system's default cache folder."""
    if configured := os.environ.get("XDG_CACHE_HOME"):
        return Path(configured) / "aiocdf"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "aiocdf"


@attrs.frozen
class Environments:
    """Builds and finds virtual environments. It uses uv if uv is installed, otherwise pip.

    Args:
        folder: The folder of the environments. Several servers can share it.
    """

    folder: Path

    async def python(self, deployment: Deployment, interpreter: Interpreter) -> str:
        """Return the path of the Python to run a function with: in an environment, or the interpreter itself.

        Args:
            deployment: The function.
            interpreter: The interpreter to build the environment with.

        Raises:
            ConfigError: Installing the requirements failed. The message ends with the last part of the log.
        """
        requirements = await asyncio.to_thread(_requirements, deployment.path)
        if requirements is None:
            return interpreter.path
        packages = _preinstalled(deployment, requirements)
        place = self.folder / _name(deployment, interpreter, requirements, packages)
        python = place / "bin" / "python"
        async with _lock(place):
            if not (place / _COMPLETE).exists():
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
                await _build(deployment, interpreter, place, packages)
                (place / _COMPLETE).touch()
        return str(python)


async def _build(deployment: Deployment, interpreter: Interpreter, place: Path, packages: Sequence[str]) -> None:
    python, source = str(place / "bin" / "python"), ["-r", _REQUIREMENTS, *packages]
    if uv := _uv():
        commands = [
            [uv, "venv", "--quiet", "--python", interpreter.path, str(place)],
            [uv, "pip", "install", "--python", python, *source],
        ]
    else:
        commands = [
            [interpreter.path, "-m", "venv", str(place)],
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *source],
        ]
    for command in commands:
        await _run(command, deployment)


def _uv() -> str | None:
    """Return the path of uv, on PATH or in the server's environment; None if it is not installed."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


async def _run(command: Sequence[str], deployment: Deployment) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=deployment.path,
        env=_index_settings(deployment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_INSTALL_LIMIT):
            log = _without_secrets(await _tail(process), deployment)
            code = await process.wait()
    except TimeoutError:
        raise ConfigError(f"{_REQUIREMENTS} was not installed within {_INSTALL_LIMIT:g} seconds") from None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code:
        text = log[-_TAIL:].strip()
        raise ConfigError(f"installing {_REQUIREMENTS} failed: {Path(command[0]).name} exited with code {code}\n{text}")


async def _tail(process: asyncio.subprocess.Process) -> str:
    """Read the output of a process to its end, and return the last part of it."""
    kept = b""
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    while chunk := await process.stdout.read(64 * 1024):
        kept = (kept + chunk)[-4 * _TAIL :]
    return kept.decode(errors="replace")


def _index_settings(deployment: Deployment) -> Mapping[str, str]:
    """Return the environment of pip and uv. It holds the indexes, because all users can read process arguments."""
    settings = dict(os.environ)
    if deployment.index_url:
        settings |= dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), deployment.index_url.reveal())
    if deployment.extra_index_urls:
        urls = " ".join(url.reveal() for url in deployment.extra_index_urls)
        settings |= dict.fromkeys(("PIP_EXTRA_INDEX_URL", "UV_INDEX"), urls)
    return settings


def _without_secrets(log: str, deployment: Deployment) -> str:
    """Return a log without the user names and passwords in the URLs of indexes."""
    for url in (deployment.index_url, *deployment.extra_index_urls):
        if url is not None and (login := re.match(r"\w+://([^/@]+)@", url.reveal())):
            for part in (login[1], *login[1].split(":", 1)):
                log = log.replace(part, "***")
    return re.sub(r"://[^/\s@]+@", "://***@", log)


def _preinstalled(deployment: Deployment, requirements: bytes) -> tuple[str, ...]:
    """Return additional packages: cognite-sdk, if the function takes `client` and does not require it itself."""
    listed = re.search(rb"(?im)^\s*cognite[-_.]sdk\b", requirements)
    return () if listed or not deployment.takes_client else ("cognite-sdk",)


def _requirements(folder: Path) -> bytes | None:
    """Return the content of the requirements file; None if it is missing or empty."""
    try:
        content = (folder / _REQUIREMENTS).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{_REQUIREMENTS} is not readable: {error.strerror}") from None
    return content if re.search(rb"(?m)^\s*[^#\s]", content) else None


def _name(deployment: Deployment, interpreter: Interpreter, requirements: bytes, packages: Sequence[str]) -> str:
    indexes = [url and url.reveal() for url in (deployment.index_url, *deployment.extra_index_urls)]
    facts = [_FORMAT, interpreter.path, interpreter.version, *indexes, *packages, requirements.hex()]
    if _names_files(requirements):
        facts += [str(deployment.path), deployment.fingerprint]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def _names_files(requirements: bytes) -> bool:
    """Return whether requirements name paths in the function's folder, or other requirements or constraints files."""
    words = re.sub(rb"(?m)(^|\s)#.*", b"", requirements).split()
    options = {b"-r", b"--requirement", b"-c", b"--constraint", b"-e", b"--editable"}
    return any(
        word in options or word.startswith(b".") or (b"/" in word and not word.startswith(b"/") and b"://" not in word)
        for word in words
    )


@asynccontextmanager
async def _lock(place: Path) -> AsyncIterator[None]:
    """Hold a lock, so that no other server builds the same environment at the same time."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.with_suffix(".lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(0.1)
            else:
                break
        yield

"""The code of a function, packed to be sent to each worker of a cluster."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from distributed.diagnostics.plugin import WorkerPlugin

from aiocdf.local.runtime.archive import unpack
from aiocdf.local.runtime.dask.host import host_of
from aiocdf.local.runtime.dask.wire import Sealed, open_deployment, seal_deployment
from aiocdf.local.runtime.deployment import files_below

if TYPE_CHECKING:
    from distributed import Worker

    from aiocdf.local.runtime.deployment import Deployment

__all__ = ["Bundle", "pack"]

_OLDEST = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # a fixed time for members of the zip file, so that the same content gives the same bytes


class Bundle(WorkerPlugin):
    """Unpacks the code of a function on each worker of a cluster, including workers that join later.

    Args:
        name: The name of this version of the function.
        code: The content of a zip file.
        settings: The function's settings.
    """

    def __init__(self, name: str, code: bytes, settings: Sealed) -> None:
        self.name = name
        self._code = code
        self._settings = settings

    async def setup(self, worker: Worker) -> None:
        """Unpack the code, and register the function with the worker's `Host`."""
        folder = self._folder(worker)
        await asyncio.to_thread(self._unpack, folder)
        host_of(worker).add(self.name, open_deployment(self._settings, folder / "code"))

    async def teardown(self, worker: Worker) -> None:
        """Remove the code."""
        host_of(worker).remove(self.name)
        await asyncio.to_thread(shutil.rmtree, self._folder(worker), ignore_errors=True)

    def _folder(self, worker: Worker) -> Path:
        return Path(worker.local_directory) / self.name

    def _unpack(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        archive = folder / "code.zip"
        archive.write_bytes(self._code)
        unpack(archive, folder / "code")
        archive.unlink()


def pack(deployment: Deployment, key: bytes) -> Bundle:
    """Return the code of a function, with a name derived from the content. Call it in a thread: it reads files.

    Args:
        deployment: The function.
        key: The key of the hash in the name. Without it, the name could reveal secrets in the content.

    Raises:
        OSError: A file is not readable.
    """
    code, settings = _zipped(deployment.path), seal_deployment(deployment)
    digest = hashlib.blake2b(code, key=key, digest_size=16)
    digest.update(settings.text.encode())
    return Bundle(f"aiocdf-{digest.hexdigest()}", code, settings)


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(map(Path, files_below(folder))):
            if path.is_file():
                member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _OLDEST)
                archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()

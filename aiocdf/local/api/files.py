"""The part of the file endpoints that functions need: clients upload the code of a function as a file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.paging import from_cursor, page
from aiocdf.local.http.problems import Problem
from aiocdf.local.state.files import File
from aiocdf.local.state.records import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aiocdf.local.http.fields import Fields
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Ids
    from aiocdf.local.state.store import Store

__all__ = ["FileEndpoints"]

MAX_BY_IDS = 1_000
MAX_LINKS = 100
UPLOAD_SECONDS = 7 * 86_400
DOWNLOAD_SECONDS = 30
EXTENDED_SECONDS = 3_600
_PIECE = 1_000_000
_TYPE = re.compile(r"[a-zA-Z0-9!#$&^_.+-]+/[a-zA-Z0-9!#$&^_.+-]+")  # RFC 6838, section 4.2


@attrs.frozen
class Links:
    """Makes and checks URLs that need no token. They expire, at the latest when the server stops."""

    _key: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)

    def link(self, request: web.Request, purpose: str, file_id: int, seconds: float) -> str:
        """Return a URL on the host that the client used to reach the server."""
        expires = int(time.time() + seconds)
        signature = self._signature(purpose, file_id, expires)
        return f"{request.scheme}://{request.host}/storage/{purpose}/{file_id}/{expires}/{signature}"

    def file_id(self, request: web.Request, purpose: str) -> int:
        """Return the id of the file that a URL is for.

        Raises:
            Problem: The URL was not made by this server, or it has expired.
        """
        file_id, expires = (fields.from_path(request, name) for name in ("fileId", "expires"))
        signature = self._signature(purpose, file_id, expires)
        if (
            not hmac.compare_digest(signature.encode(), request.match_info["signature"].encode())
            or expires < time.time()
        ):
            raise Problem(403, f"The {purpose} URL is not valid or has expired: request a new one")
        return file_id

    def _signature(self, purpose: str, file_id: int, expires: int) -> str:
        return hmac.new(self._key, f"{purpose} {file_id} {expires}".encode(), hashlib.sha256).hexdigest()


@attrs.frozen
class FileEndpoints:
    """The endpoints of `/files`, and the URLs of file contents."""

    store: Store
    ids: Ids
    limits: Limits
    links: Links = attrs.field(factory=Links)

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", "/files", self.create, "filesAcl:WRITE")
        yield Route("GET", "/files", self.list_files, "filesAcl:READ")
        yield Route("GET", "/files/{fileId}", self.get, "filesAcl:READ")
        yield Route("POST", "/files/byids", self.by_ids, "filesAcl:READ")
        yield Route("POST", "/files/delete", self.delete, "filesAcl:WRITE")
        yield Route("POST", "/files/downloadlink", self.download_links, "filesAcl:READ")
        yield Route("PUT", "/storage/upload/{fileId}/{expires}/{signature}", self.upload, None)
        yield Route("GET", "/storage/download/{fileId}/{expires}/{signature}", self.download, None)

    async def create(self, request: web.Request) -> web.Response:
        """Create a file without content. Return the URL for uploading the content."""
        overwrite = fields.from_query(request).text_flag("overwrite")
        body = await fields.from_body(request)
        if overwrite and "externalId" not in body:
            raise Problem(400, "externalId is required to overwrite a file")
        file = self._described(body)
        if not await self.store.add_file(file):
            file = await self._replaced(file, overwrite=overwrite)
        url = self.links.link(request, "upload", file.id, UPLOAD_SECONDS)
        return web.json_response(_shown(file) | {"uploadUrl": url}, status=201)

    async def upload(self, request: web.Request) -> web.Response:
        """Receive the content of a file. It replaces the earlier content when the upload is complete."""
        file_id = self.links.file_id(request, "upload")
        (file,) = await self._known([file_id])
        path = self.store.content_path(file_id)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            await self._receive(request, part)
            await asyncio.to_thread(part.replace, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        now = now_ms()
        await self.store.update_file(attrs.evolve(file, uploaded=True, uploaded_time=now, last_updated_time=now))
        return web.json_response({})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Return the content of a file."""
        file_id = self.links.file_id(request, "download")
        (file,) = await self._known([file_id])
        # Uploaded content is untrusted: a browser must not show it as a page of this server.
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        response = web.FileResponse(self.store.content_path(file_id), headers=headers)
        response.content_type = _content_type(file)
        return response

    async def list_files(self, request: web.Request) -> web.Response:
        """List files, newest first."""
        query = fields.from_query(request)
        limit, before = query.limit(default=25, high=1000), from_cursor(query)
        exact = {name: query.optional_text(name) for name in ("name", "mimeType", "source")}
        uploaded = query.text_flag("uploaded") if "uploaded" in query else None
        prefix = query.optional_text("externalIdPrefix", 255) or ""
        found = [
            file
            for file in await self.store.list_files(before=before, limit=-1)
            if all(value in {None, _shown(file).get(name)} for name, value in exact.items())
            and uploaded in {None, file.uploaded}
            and (file.external_id or "").startswith(prefix)
        ]
        return web.json_response(page(found, limit, _shown))

    async def get(self, request: web.Request) -> web.Response:
        """Return the metadata of a file."""
        (file,) = await self._known([fields.from_path(request, "fileId")])
        return web.json_response(_shown(file))

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return files by id or external id."""
        body = await fields.from_body(request)
        keys = [item.identifier() for item in body.items(MAX_BY_IDS)]
        found = await self._known(keys, ignore_unknown=body.flag("ignoreUnknownIds"))
        return web.json_response({"items": [_shown(file) for file in found]})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete files. Functions created from them remain."""
        body = await fields.from_body(request)
        keys = [item.identifier() for item in body.items(MAX_BY_IDS)]
        ids = [file.id for file in await self._known(keys, ignore_unknown=body.flag("ignoreUnknownIds"))]
        await self.store.delete_files(ids)
        for path in map(self.store.content_path, ids):
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return web.json_response({})

    async def download_links(self, request: web.Request) -> web.Response:
        """Return the download URLs of files."""
        extended = fields.from_query(request).text_flag("extendedExpiration")
        items = (await fields.from_body(request)).items(MAX_LINKS)
        files = await self._known([item.identifier() for item in items])
        if absent := [file.id for file in files if not file.uploaded]:
            raise Problem(400, f"Files without uploaded content: {', '.join(map(str, absent))}. Upload it first")
        seconds = EXTENDED_SECONDS if extended else DOWNLOAD_SECONDS
        named = [
            {**item.values, "downloadUrl": self.links.link(request, "download", file.id, seconds)}
            for item, file in zip(items, files, strict=True)
        ]
        return web.json_response({"items": named})

    def _described(self, body: Fields) -> File:
        """Return the file that a request describes."""
        now = now_ms()
        return File(
            id=self.ids.take(),
            created_time=now,
            last_updated_time=now,
            name=body.text("name", 256),
            external_id=body.optional_text("externalId", 255),
            mime_type=body.optional_text("mimeType", 256),
            source=body.optional_text("source", 128),
            directory=body.optional_text("directory", 512),
            data_set_id=body.optional_id("dataSetId"),
            metadata=body.texts("metadata") or None,
        )

    async def _replaced(self, file: File, *, overwrite: bool) -> File:
        """Return the existing file with this external id, with new metadata. Its content remains until the upload."""
        if not overwrite:
            duplicated = [{"externalId": file.external_id}]
            raise Problem(409, f"Another file has the external id {file.external_id!r}", duplicated=duplicated)
        (known,) = await self.store.list_files(external_id=file.external_id, limit=1)
        described = attrs.evolve(
            file,
            id=known.id,
            created_time=known.created_time,
            uploaded=known.uploaded,
            uploaded_time=known.uploaded_time,
            metadata=file.metadata or known.metadata,
        )
        await self.store.update_file(described)
        return described

    async def _known(self, keys: Iterable[int | str], *, ignore_unknown: bool = False) -> list[File]:
        """Return files by id or external id, in the order of the request."""
        keys = list(keys)
        found: dict[int | str, File] = {
            file.id: file for file in await self.store.files([key for key in keys if isinstance(key, int)])
        }
        for key in {key for key in keys if isinstance(key, str)}:
            for file in await self.store.list_files(external_id=key, limit=1):
                found[key] = file
        missing = [{"id" if isinstance(key, int) else "externalId": key} for key in keys if key not in found]
        if missing and not ignore_unknown:
            unknown = ", ".join(str(value) for item in missing for value in item.values())
            raise Problem(400, f"Unknown files: {unknown}", missing=missing)
        return [found[key] for key in keys if key in found]

    async def _receive(self, request: web.Request, part: Path) -> None:
        """Write the body to a file that only the owner can read, up to the size limit."""
        size, limit = 0, self.limits.file_bytes
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            async for piece in request.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > limit:
                    raise Problem(400, f"The file is larger than {limit:,} bytes, the limit of this server")
                await asyncio.to_thread(written.write, piece)


def _content_type(file: File) -> str:
    """Return the MIME type of a file if it is valid. It comes from a user and goes into a header."""
    named = file.mime_type or ""
    return named if _TYPE.fullmatch(named) else "application/octet-stream"


def _shown(file: File) -> dict[str, Any]:
    """Return a file as JSON values of the API."""
    shown = {
        "id": file.id,
        "name": file.name,
        "externalId": file.external_id,
        "mimeType": file.mime_type,
        "source": file.source,
        "directory": file.directory,
        "dataSetId": file.data_set_id,
        "metadata": file.metadata,
        "uploaded": file.uploaded,
        "uploadedTime": file.uploaded_time,
        "createdTime": file.created_time,
        "lastUpdatedTime": file.last_updated_time,
    }
    return {name: value for name, value in shown.items() if value is not None}

"""The part of files that functions need (API: Files)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiocdf import _clock
from aiocdf._chunks import in_chunks, in_order
from aiocdf._listing import Listing
from aiocdf._wire.converter import structure
from aiocdf._wire.file_spec import FileSpec, check_content, storage_request
from aiocdf._wire.filters import exact_text, filter_body
from aiocdf._wire.identifiers import check_file, check_files, identifier
from aiocdf._wire.json import json_request, member, read_items, read_json
from aiocdf._wire.pages import read_page
from aiocdf.errors import TransportTimeout
from aiocdf.models.files import File
from aiocdf.models.html import ItemList
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiocdf._http.sender import Sender
    from aiocdf._wire.http import Request, Response
    from aiocdf._wire.pages import Page

__all__ = ["Files"]

_READ, _WRITE = "filesAcl:READ", "filesAcl:WRITE"
_MOST_IDS = 1000
# The first and the maximum gap between two reads of whether an upload has arrived, and its time limit, in seconds.
_FIRST_LOOK, _SLOWEST_LOOK, _ARRIVES_WITHIN = 0.1, 5.0, 60.0


class Files:
    """Uploads, finds and deletes files. Pass a file as its id, its external id, or a `File`.

    Args:
        sender: Sends the requests.
        project_url: The address of the project, without a trailing slash.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = f"{project_url}/files"

    async def upload(
        self,
        name: str,
        content: bytes,
        *,
        external_id: str | None = None,
        mime_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        data_set_id: int | None = None,
        overwrite: bool = False,
    ) -> File:
        """Create a file, upload its content, and wait until the service has it.

        Args:
            name: At most 256 characters.
            content: At most 5 GB.
            external_id: At most 255 characters; unique in the project.
            mime_type: The type of the content, such as `application/zip`.
            metadata: At most 256 entries and 10,240 bytes in total.
            data_set_id: The data set that the file belongs to.
            overwrite: Replace the file that has this external id, if it exists.

        Raises:
            UsageError: An argument is not valid. No request was sent.
            Conflict: Another file has this external id.
            PermissionDenied: The caller lacks filesAcl:WRITE.
            TransportTimeout: The service did not confirm the content within a minute.
        """
        spec = FileSpec(
            name=name, external_id=external_id, mime_type=mime_type, metadata=metadata, data_set_id=data_set_id
        )
        check_content(content)
        overwriting = overwrite and external_id is not None
        url = f"{self._url}?{urlencode({'overwrite': 'true'})}" if overwriting else self._url
        request = json_request(
            f"create file {name!r}", "POST", url, spec.body(), repeatable=overwriting, capability=_WRITE
        )
        file, upload_url = _read_created(request, await self._sender.send(request))
        await self._sender.send(
            storage_request(
                f"upload file {file.id}",
                "PUT",
                upload_url,
                base_url=self._url,
                content=content,
                mime_type=mime_type,
            )
        )
        return await self._arrived(file)

    async def retrieve(self, file: int | str | File) -> File:
        """Return a file as the service describes it now.

        Raises:
            NotFound: The project has no such file.
        """
        (found,) = await self.retrieve_many([file])
        return found

    async def retrieve_many(self, files: Iterable[int | str | File], *, ignore_unknown: bool = False) -> ItemList[File]:
        """Return several files, in the order of *files*.

        Args:
            files: Any number of ids, external ids or files.
            ignore_unknown: Leave out files that do not exist.

        Raises:
            NotFound: One does not exist; `missing` has it.
        """
        keys = check_files(files)
        read = await in_chunks(keys, _MOST_IDS, partial(self._by_ids, ignore_unknown=ignore_unknown))
        found: dict[int | str | None, File] = {file.external_id: file for file in read} | {
            file.id: file for file in read
        }
        return ItemList(in_order(keys, found, what="file", ignore_unknown=ignore_unknown))

    def list(
        self,
        *,
        name: str | None = None,
        mime_type: str | None = None,
        source: str | None = None,
        external_id_prefix: str | None = None,
        uploaded: bool | None = None,
        limit: int | None = None,
    ) -> Listing[File]:
        """List the project's files that match: `await` the result for all, or use `async for`.

        Args:
            name: The exact name.
            mime_type: The exact MIME type.
            source: The exact source.
            external_id_prefix: A prefix of the external id.
            uploaded: Whether the content has arrived.
            limit: The maximum number of files; None for all.

        Raises:
            UsageError: An argument is not valid.
        """
        exact = filter_body(
            **exact_text(name=name, mime_type=mime_type, source=source, external_id_prefix=external_id_prefix),
            uploaded=None if uploaded is None else str(bool(uploaded)).lower(),
        )

        async def read(count: int, cursor: str | None) -> Page[File]:
            query = {**exact, "limit": count} | filter_body(cursor=cursor)
            request = json_request("list files", "GET", f"{self._url}?{urlencode(query)}", capability=_READ)
            return read_page(request, await self._sender.send(request), File)

        return Listing(read, limit=limit)

    async def delete(
        self, files: int | str | File | Iterable[int | str | File], *, ignore_unknown: bool = False
    ) -> None:
        """Delete files. Functions created from them are kept.

        Args:
            files: One file or several.
            ignore_unknown: Do not fail if one does not exist.

        Raises:
            NotFound: One does not exist; `missing` has it.
        """
        await in_chunks(check_files(files), _MOST_IDS, partial(self._delete, ignore_unknown=ignore_unknown))

    async def download_link(self, file: int | str | File) -> Secret:
        """Return a URL from which the content of a file can be downloaded without a token for 30 seconds.

        Raises:
            NotFound: The project has no such file.
            ApiError: It has no content yet.
        """
        request = json_request(
            f"get a link to file {getattr(file, 'id', file)}",
            "POST",
            f"{self._url}/downloadlink",
            {"items": [identifier(check_file(file))]},
            capability=_READ,
        )
        response = await self._sender.send(request)
        items = member(request, read_json(request, response), "items", list)
        return Secret(member(request, items[0] if items else None, "downloadUrl", str))

    async def download(self, file: int | str | File) -> bytes:
        """Return the content of a file.

        Raises:
            NotFound: The project has no such file.
            ApiError: It has no content yet.
        """
        link = await self.download_link(file)
        name = f"download file {getattr(file, 'id', file)}"
        return (await self._sender.send(storage_request(name, "GET", link, base_url=self._url))).body

    async def _by_ids(self, keys: Iterable[int | str], *, ignore_unknown: bool) -> Iterable[File]:
        request = json_request(
            f"look up file {', '.join(map(str, keys))}",
            "POST",
            f"{self._url}/byids",
            {"items": [identifier(key) for key in keys], "ignoreUnknownIds": ignore_unknown},
            capability=_READ,
        )
        return read_items(request, await self._sender.send(request), File)

    async def _delete(self, keys: Iterable[int | str], *, ignore_unknown: bool) -> Sequence[None]:
        request = json_request(
            f"delete file {', '.join(map(str, keys))}",
            "POST",
            f"{self._url}/delete",
            {"items": [identifier(key) for key in keys], "ignoreUnknownIds": ignore_unknown},
            # The second of two such requests would fail, because the first has deleted the file.
            repeatable=ignore_unknown,
            capability=_WRITE,
        )
        await self._sender.send(request)
        return []

    async def _arrived(self, file: File) -> File:
        """Wait until the service has the content of a file."""
        ends_at, gap = _clock.monotonic() + _ARRIVES_WITHIN, _FIRST_LOOK
        while True:
            found = await self.retrieve(file.id)
            if found.uploaded:
                return found
            if _clock.monotonic() >= ends_at:
                raise TransportTimeout(
                    f"upload file {file.id}: the service did not confirm the content within {_ARRIVES_WITHIN:.0f} s. "
                    "Read the file's status later, or upload it again."
                )
            await _clock.sleep(gap)
            gap = min(2 * gap, _SLOWEST_LOOK)


def _read_created(request: Request, response: Response) -> tuple[File, Secret]:
    """Return a new file and its upload URL, which is removed from the file's `extra` because it acts as a secret."""
    body = read_json(request, response)
    url = Secret(member(request, body, "uploadUrl", str))
    del body["uploadUrl"]
    return structure(body, File, what=request.name), url

"""Functions (API: Functions)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from aiocdf._bundle.source import CodeSource
from aiocdf._chunks import in_chunks, in_order
from aiocdf._listing import Listing
from aiocdf._wire.arguments import check_timeout
from aiocdf._wire.filters import exact_text, filter_body, known_status, time_range
from aiocdf._wire.function_spec import HANDLER, METADATA
from aiocdf._wire.identifiers import check_function, check_functions, check_id
from aiocdf.models.functions import Function, FunctionStatus
from aiocdf.models.html import ItemList
from aiocdf.resources.deploying.code_files import CodeFiles
from aiocdf.resources.deploying.deployment import Deployment
from aiocdf.resources.deploying.kept_schedules import KeptSchedules
from aiocdf.resources.deploying.options import read_options
from aiocdf.resources.deploying.readiness import until_ready
from aiocdf.resources.deploying.requests import FunctionRequests
from aiocdf.secret import hide_arguments

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from datetime import datetime
    from os import PathLike

    from aiocdf._http.sender import Sender
    from aiocdf._wire.pages import Page
    from aiocdf.models.code_package import CodePackage
    from aiocdf.models.function_options import FunctionOptions
    from aiocdf.models.functions import FunctionLimits, FunctionsStatus
    from aiocdf.resources.files import Files
    from aiocdf.resources.schedules import Schedules

__all__ = ["Functions"]

# The maximum that one request accepts.
_MOST_IDS = 10


class Functions:
    """Deploys, finds and deletes functions. Pass a function as its id, its external id, or a `Function`.

    Args:
        sender: Sends the requests.
        project_url: The address of the project, without a trailing slash.
        files: The resource to which code is uploaded.
        schedules: The resource that keeps the schedules of replaced functions.
    """

    def __init__(self, sender: Sender, project_url: str, *, files: Files, schedules: Schedules) -> None:
        self._requests = FunctionRequests(sender, project_url)
        self._deployment = Deployment(self._requests, CodeFiles(files, self._requests), KeptSchedules(schedules))

    @hide_arguments  # secrets may be given as plain strings
    def create(self, name: str, **options: Unpack[FunctionOptions]) -> Coroutine[Any, Any, Function]:
        """Create a function. It can be called once it is `Ready`; see `wait_until_ready`.

        The code is checked, packed and uploaded, unless the project already has a file with the same code. If the
        service rejects the function, the uploaded file is deleted.

        Args:
            name: 1 to 140 characters; it does not have to be unique.
            options: The code, as exactly one of `folder`, `handle` and `file_id`; and the function's settings:
                `external_id`, `description`, `owner`, `secrets`, `env_vars`, `metadata`, `cpu`, `memory`, `runtime`,
                `function_path`, `requirements`, `index_url`, `extra_index_urls`, `data_set_id`. See `FunctionOptions`.

        Raises:
            UsageError: An argument is not valid, or the code is not deployable. No request was sent.
            Conflict: Another function has this external id.
            PermissionDenied: The caller lacks functionsAcl:WRITE, filesAcl:READ or filesAcl:WRITE.
        """
        return self._deployment.create(read_options(name, options))

    @hide_arguments
    def create_or_replace(self, name: str, **options: Unpack[FunctionOptions]) -> Coroutine[Any, Any, Function]:
        """Create a function, or replace the function that has the same `external_id`.

        A function that already has this code and these settings is returned unchanged. Otherwise it is deleted and
        created again with a new id, because the service does not support changing a function. Until the new function
        is `Ready`, calls fail. If the function has schedules, this method waits until the new function is `Ready` and
        creates them again with this client's access rights.

        A function with secrets or package indexes is always replaced, because the service does not return their values.

        Args:
            name: As for `create`.
            options: As for `create`; `external_id` is required.

        Raises:
            UsageError: An argument is not valid, or the code is not deployable. No request was sent.
            ReplacementFailed: The function was deleted, but a later step failed. The error has its schedules.
        """
        return self._deployment.replace(read_options(name, options))

    async def package(self, folder: str | PathLike[str], *, function_path: str = HANDLER) -> CodePackage:
        """Check and pack a folder as `create` does, without sending a request.

        Args:
            folder: The folder with the code.
            function_path: The path of the module with `handle`, relative to the folder.

        Raises:
            UsageError: The code is not deployable; the message says why.
        """
        return await CodeSource(folder=Path(folder)).pack(function_path)

    async def retrieve(self, function: int | str | Function) -> Function:
        """Return a function as the service describes it now.

        Raises:
            NotFound: The project has no such function.
        """
        return await self._requests.one(check_function(function))

    async def retrieve_many(
        self, functions: Iterable[int | str | Function], *, ignore_unknown: bool = False
    ) -> ItemList[Function]:
        """Return several functions, in the order of *functions*.

        Args:
            functions: Any number. One request reads at most ten.
            ignore_unknown: Leave out functions that do not exist.

        Raises:
            NotFound: One does not exist; `missing` has the unknown ones of one request.
        """
        keys = check_functions(functions)
        read = await in_chunks(keys, _MOST_IDS, partial(self._requests.by_ids, ignore_unknown=ignore_unknown))
        found: dict[int | str | None, Function] = {each.external_id: each for each in read}
        found |= {each.id: each for each in read}
        return ItemList(in_order(keys, found, what="function", ignore_unknown=ignore_unknown))

    def list(
        self,
        *,
        name: str | None = None,
        owner: str | None = None,
        file_id: int | None = None,
        status: FunctionStatus | str | None = None,
        external_id_prefix: str | None = None,
        created_time: tuple[datetime | None, datetime | None] | None = None,
        metadata: dict[str, str] | None = None,
        limit: int | None = None,
    ) -> Listing[Function]:
        """List the project's functions that match: `await` the result for all, or use `async for`.

        Args:
            name: The exact name.
            owner: The exact owner.
            file_id: The id of the file with the code.
            status: Such as `Ready`.
            external_id_prefix: A prefix of the external id.
            created_time: The earliest and the latest time of creation; None for no bound.
            metadata: Entries that the function's metadata must have.
            limit: The maximum number of functions; None for all.

        Raises:
            UsageError: An argument is not valid.
        """
        if metadata is not None:
            METADATA.check(metadata, "metadata")
        wanted = filter_body(
            **exact_text(name=name, owner=owner, external_id_prefix=external_id_prefix),
            file_id=None if file_id is None else check_id(file_id, "file"),
            status=known_status(status, FunctionStatus),
            created_time=time_range(created_time, "created_time"),
            metadata=metadata,
        )

        async def read(count: int, _: str | None) -> Page[Function]:
            return await self._requests.page(wanted, count)

        return Listing(read, limit=limit)

    async def delete(
        self, functions: int | str | Function | Iterable[int | str | Function], *, ignore_unknown: bool = False
    ) -> None:
        """Delete functions and their schedules. Running calls continue, and the files with the code are kept.

        Args:
            functions: One function or several.
            ignore_unknown: Do not fail if one does not exist.

        Raises:
            NotFound: One does not exist; `missing` has the unknown ones of one request.
        """
        keys = check_functions(functions)
        await in_chunks(keys, _MOST_IDS, partial(self._requests.delete, ignore_unknown=ignore_unknown))

    async def wait_until_ready(self, function: int | str | Function, *, timeout: float | None = None) -> Function:  # noqa: ASYNC109 - the error of this timeout says what was not ready
        """Wait until a function is `Ready`, and return it. On the service, a deployment takes some minutes.

        Args:
            function: The function.
            timeout: The maximum wait in seconds; None for no limit.

        Raises:
            FunctionNotReady: Its deployment failed. The message has the last line of the build log; a note has more of it.
            WaitExpired: It was not `Ready` within *timeout*.
            NotFound: The project has no such function.
        """
        return await until_ready(self._requests, check_function(function), check_timeout(timeout))

    async def limits(self) -> FunctionLimits:
        """Return the limits of functions on the project's cloud."""
        return await self._requests.limits()

    async def status(self) -> FunctionsStatus:
        """Return whether functions are activated in the project."""
        return await self._requests.status()

    async def activate(self) -> FunctionsStatus:
        """Request the activation of functions in the project, which may take hours, and return the status."""
        return await self._requests.activate()

"""`client.files` against a local server."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio

from aiocdf import Conflict, File, InvalidArgument, InvalidType, NotFound

pytestmark = pytest.mark.asyncio(loop_scope="package")
UNKNOWN = 2**53 - 1


@pytest_asyncio.fixture(loop_scope="package")
async def files(client):
    """The resource, with no file before and after."""
    yield client.files
    await client.files.delete([file async for file in client.files.list()])


async def test_upload_and_download(files):
    """A content comes back as it was uploaded, by each of the file's names."""
    content = bytes(range(256)) * 10_000
    made = await files.upload(
        "a.bin", content, external_id="a", mime_type="application/x-test", metadata={"k": "v"}, data_set_id=3
    )
    assert isinstance(made, File)
    assert made.uploaded
    assert (made.name, made.external_id, made.mime_type) == ("a.bin", "a", "application/x-test")
    assert (made.metadata, made.data_set_id) == ({"k": "v"}, 3)
    assert made.uploaded_time >= made.created_time
    for file in (made.id, "a", made):
        assert await files.retrieve(file) == made
        assert await files.download(file) == content


async def test_download_link(files):
    """The address gives the content to a program without a token."""
    made = await files.upload("a", b"content")
    link = await files.download_link(made)
    async with aiohttp.ClientSession() as session, session.get(link.reveal()) as response:
        assert await response.read() == b"content"


async def test_empty(files):
    """A content can be empty."""
    made = await files.upload("empty", b"")
    assert await files.download(made) == b""


async def test_address_of_the_upload_does_not_stay(files):
    """The address that takes a content, without a token, is not in what is returned."""
    made = await files.upload("a", b"a")
    assert "uploadUrl" not in made.extra


async def test_overwrite(files):
    """A file with the same external id is replaced only on request."""
    made = await files.upload("a", b"first", external_id="a")
    with pytest.raises(Conflict):
        await files.upload("a", b"second", external_id="a")
    assert await files.download("a") == b"first"
    assert (await files.upload("b", b"second", external_id="a", overwrite=True)).id == made.id
    assert await files.download("a") == b"second"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("", b"a"), InvalidArgument), (("a", "text"), InvalidType), ((3, b"a"), InvalidType)],
)
async def test_bad_upload(files, arguments, error):
    """What is not valid raises, and nothing is created."""
    with pytest.raises(error):
        await files.upload(*arguments)
    assert await files.list() == []


async def test_retrieve_many(files):
    """Several files are returned in the requested order."""
    one, two = await files.upload("1", b"1", external_id="one"), await files.upload("2", b"2")
    assert await files.retrieve_many([two, "one", one.id]) == [two, one, one]
    assert await files.retrieve_many([UNKNOWN, "one"], ignore_unknown=True) == [one]
    with pytest.raises(NotFound):
        await files.retrieve_many([UNKNOWN])


async def test_list(files):
    """Each condition narrows the list, which comes page by page."""
    one = await files.upload("1", b"1", external_id="one", mime_type="text/plain")
    await files.upload("2", b"2")
    for conditions in ({"name": "1"}, {"mime_type": "text/plain"}, {"external_id_prefix": "o"}):
        assert await files.list(**conditions) == [one], conditions
    assert await files.list(uploaded=False) == []
    assert await files.list(source="nowhere") == []
    assert len(await files.list(uploaded=True, limit=1)) == 1
    assert len([file async for file in files.list()]) == 2


async def test_bad_conditions(files):
    """A condition that is not text raises at once, before the list is read."""
    with pytest.raises(InvalidType):
        files.list(source=3)


async def test_delete(files):
    """Files are deleted by either kind of id; unknown ones only on request."""
    one, two = await files.upload("1", b"1", external_id="one"), await files.upload("2", b"2")
    await files.delete("one")
    with pytest.raises(NotFound):
        await files.delete([one, two])
    await files.delete([one, two], ignore_unknown=True)
    assert await files.list() == []
    with pytest.raises(NotFound):
        await files.download(one)


@pytest.mark.parametrize("file", ["", 0, 3.5, None])
async def test_bad_file(files, file):
    """What does not name a file raises."""
    for act in (files.retrieve, files.download, files.delete):
        with pytest.raises((InvalidArgument, InvalidType)):
            await act(file)

from __future__ import annotations

import pytest

from aiocdf._wire import file_spec
from aiocdf._wire.file_spec import FileSpec, check_content, storage_request
from aiocdf.errors import DecodeError, InvalidArgument, InvalidType
from aiocdf.secret import Secret

BASE = "https://cdf.test/api/v1/projects/acme/files"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "f" * 256},
        {"external_id": "e" * 255, "mime_type": "application/zip", "data_set_id": 3},
        {"metadata": {"k" * 128: "v" * 10_112}},
    ],
)
def test_what_the_service_takes(fields) -> None:
    """Values at the documented limits are taken."""
    assert FileSpec(**({"name": "f"} | fields)).body().keys() == {
        "externalId"
        if key == "external_id"
        else "mimeType"
        if key == "mime_type"
        else "dataSetId"
        if "_" in key
        else key
        for key in {"name": "f"} | fields
    }


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("name", "f" * 257, InvalidArgument),
        ("name", "", InvalidArgument),
        ("external_id", "e" * 256, InvalidArgument),
        ("mime_type", 3, InvalidType),
        ("metadata", {"k" * 129: "v"}, InvalidArgument),
        ("metadata", {"k": "v" * 10_241}, InvalidArgument),
        ("metadata", {str(n): "v" for n in range(257)}, InvalidArgument),
        ("metadata", {f"{n:02}": "v" * 5_119 for n in range(2)}, InvalidArgument),
    ],
)
def test_what_it_does_not_take(field, value, error) -> None:
    """Each documented constraint is checked here, and the error names the field."""
    with pytest.raises(error, match=field):
        FileSpec(**({"name": "f"} | {field: value}))


def test_bad_data_set() -> None:
    """A data set is named by its id."""
    with pytest.raises(InvalidArgument, match="data set"):
        FileSpec(name="f", data_set_id=0)


def test_content(monkeypatch) -> None:
    """A content is bytes, as many as one upload takes."""
    monkeypatch.setattr(file_spec, "MAX_CONTENT", 3)

    assert check_content(b"abc") == b"abc"
    with pytest.raises(InvalidArgument, match="4 bytes"):
        check_content(b"abcd")
    with pytest.raises(InvalidType, match="str"):
        check_content("abc")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://storage.test/a?key=b", "https://storage.test/a?key=b"),
        ("/api/v1/files/a?key=b", "https://cdf.test/api/v1/files/a?key=b"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
    ],
)
def test_address_of_a_transfer(given, sent) -> None:
    """The service's address is used as it is; without a host it is one of the service itself."""
    assert storage_request("upload file 1", "PUT", Secret(given), base_url=BASE, content=b"a").url == sent


@pytest.mark.parametrize(
    "given", ["http://storage.test/hush-hush", "ftp://storage.test/hush-hush", "file:///hush-hush"]
)
def test_address_in_the_open(given) -> None:
    """A content is not sent where others could read it on the way; the error does not show the address."""
    with pytest.raises(DecodeError, match="upload file 1") as caught:
        storage_request("upload file 1", "PUT", Secret(given), base_url=BASE, content=b"a")

    assert "hush" not in str(caught.value)


def test_keys_of_an_address() -> None:
    """What gives access in an address is removed from errors; host and ids stay, for they say what went wrong."""
    url = "https://storage.test/files/1234567890123456/4f5e6a7b8c9d0e1f2a3b?expires=1764202800000&signature=x_y-z0123456789"
    request = storage_request("download", "GET", Secret(url), base_url=BASE)

    assert [secret.reveal() for secret in request.secrets] == ["4f5e6a7b8c9d0e1f2a3b", "x_y-z0123456789"]


def test_transfer_has_time_for_its_size() -> None:
    """A large content has more time to arrive; the address does not show in the request's repr."""
    small, large = (
        storage_request("upload", "PUT", Secret("https://storage.test/hush"), base_url=BASE, content=bytes(size))
        for size in (1, 10_000_000)
    )

    assert large.timeout > small.timeout + 60
    assert "hush" not in repr(large)

"""The storage, through the real client: moto's server, and small ones that break off.

Each test runs with the direct client over HTTP and over TLS, and with the SDK alone over TLS. The
SDK alone over HTTP is the matter of tests/acceptance/test_simulated_objects.py.
"""

import asyncio
import base64
import os
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.core.authorization import enable_iam_authentication

from tests.support.certificates import server_context
from tests.support.http_messages import CONTINUE, expects_continue, read_body, read_head
from tests.support.scenario import Endpoint
from tests.support.storages import opened
from tests.support.tcp_server import served
from tests.support.tls_front import Front
from tests.support.waiting import connections_closed
from worker.aws.call_limits import S3_ATTEMPTS
from worker.errors import (
    AccessDenied,
    FatalError,
    InfrastructureError,
    InputOverwritten,
    ModelError,
    NoSuchInput,
    OutputRefused,
    TransientError,
)
from worker.job import S3Uri
from worker.storage.protocol import UploadLost, WriteConflict
from worker.storage.s3 import S3Storage

CSV = "text/csv"
INPUT = S3Uri("jobs-in", "dir/a.csv")
OUTPUT = S3Uri("jobs-out", "p/dir/a.csv")
NOWHERE = S3Uri("no-such-bucket", "a.csv")


@dataclass(frozen=True, slots=True)
class Way:
    """How the storage reaches its server."""

    scheme: str
    direct: bool  # by the direct client


@pytest.fixture(
    autouse=True,
    params=[Way("http", direct=True), Way("https", direct=True), Way("https", direct=False)],
    ids=["direct-http", "direct-https", "aioboto3-https"],
)
def way(request: pytest.FixtureRequest, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    way: Way = request.param
    if way.scheme == "https":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    return way


@pytest.fixture
async def storage(
    endpoint: Endpoint, front: Front, way: Way, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[S3Storage]:
    assert endpoint.url == os.environ["AWS_ENDPOINT_URL"]
    if way.scheme == "https":
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.url)
    async with opened(INPUT.bucket, OUTPUT.bucket, direct=way.direct, connections=4) as storage:
        yield storage
    await connections_closed()


@pytest.fixture
def versions(endpoint: Endpoint) -> list[str]:
    """The ids of two versions of the input: old, then new."""
    endpoint.s3.put_bucket_versioning(
        Bucket=INPUT.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return [
        endpoint.s3.put_object(Bucket=INPUT.bucket, Key=INPUT.key, Body=body)["VersionId"]
        for body in (b"old", b"new")
    ]


def add(endpoint: Endpoint, uri: S3Uri, body: bytes) -> str:
    """Put an object as somebody outside would; its ETag is returned."""
    return endpoint.s3.put_object(Bucket=uri.bucket, Key=uri.key, Body=body)["ETag"].strip('"')


def body_of(endpoint: Endpoint, uri: S3Uri) -> bytes:
    return endpoint.s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read()


MOST = 1 << 20


async def get(
    storage: S3Storage, uri: S3Uri = INPUT, version_id: str | None = None, etag: str | None = None
) -> bytes:
    return (await storage.get(uri, version_id=version_id, etag=etag, max_bytes=MOST)).body


async def put(
    storage: S3Storage, body: bytes, uri: S3Uri = OUTPUT, *, replacing: str | None = None
) -> None:
    await storage.put(uri, body, metadata={}, content_type=CSV, replacing=replacing)


async def test_the_current_object_is_read_whole_and_tells_of_itself(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    body = os.urandom(300_000)
    etag = add(endpoint, INPUT, body)

    found = await storage.get(INPUT, version_id=None, etag=None, max_bytes=MOST)

    assert found.body == body
    assert (found.head.etag, found.head.size) == (etag, len(body))
    assert found.head.version_id is None
    assert found.head == await storage.head(INPUT)


async def test_of_a_large_object_the_beginning_is_read_and_its_whole_size_told(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    body = os.urandom(3 << 20)
    add(endpoint, INPUT, body)
    for max_bytes in (1, 1000, MOST, len(body) - 1, len(body), len(body) + 1):
        found = await storage.get(INPUT, version_id=None, etag=None, max_bytes=max_bytes)
        assert (found.body, found.head.size) == (body[:max_bytes], len(body))


async def test_a_range_is_read_of_the_version_it_belongs_to(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    body = os.urandom(100_000)
    etag = add(endpoint, INPUT, body)
    for start, stop in ((0, 1), (5, 70_000), (99_999, 100_000)):
        found = await storage.read(INPUT, start, stop, version_id=None, etag=etag)
        assert found == body[start:stop]
    add(endpoint, INPUT, body[::-1])
    with pytest.raises(InputOverwritten):
        await storage.read(INPUT, 0, 10, version_id=None, etag=etag)


async def test_a_range_of_an_old_version_is_read_though_it_is_not_the_newest(
    storage: S3Storage, versions: list[str]
) -> None:
    read = await storage.read(INPUT, 1, 3, version_id=versions[0], etag="0" * 32)
    assert read == b"ld"


async def begun(storage: S3Storage, parts: Sequence[bytes]) -> tuple[str, list[str]]:
    upload = await storage.begin(OUTPUT, metadata={"source-id": "abc"}, content_type=CSV)
    return upload, [
        await storage.put_part(OUTPUT, upload, number, part)
        for number, part in enumerate(parts, start=1)
    ]


async def test_parts_become_an_object_with_the_metadata_they_began_with(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    parts = [os.urandom(5 << 20), b"the end"]
    upload, etags = await begun(storage, parts)
    assert await storage.head(OUTPUT) is None
    await storage.complete(OUTPUT, upload, etags, replacing=None)
    assert body_of(endpoint, OUTPUT) == b"".join(parts)
    head = await storage.head(OUTPUT)
    assert head is not None
    assert head.metadata == {"source-id": "abc"}


async def test_parts_are_not_completed_over_what_is_there_but_in_its_place(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    there = add(endpoint, OUTPUT, b"older")
    upload, etags = await begun(storage, [b"newer"])
    with pytest.raises(WriteConflict) as conflict:
        await storage.complete(OUTPUT, upload, etags, replacing=None)
    assert not isinstance(conflict.value, UploadLost)
    await storage.complete(OUTPUT, upload, etags, replacing=there)
    assert body_of(endpoint, OUTPUT) == b"newer"


async def test_an_upload_let_go_of_leaves_nothing_and_letting_go_twice_is_no_error(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    upload, _ = await begun(storage, [b"never seen"])
    await storage.abort(OUTPUT, upload)
    await storage.abort(OUTPUT, upload)
    assert "Uploads" not in endpoint.s3.list_multipart_uploads(Bucket=OUTPUT.bucket)
    assert await storage.head(OUTPUT) is None


async def test_an_empty_object_is_read(endpoint: Endpoint, storage: S3Storage) -> None:
    add(endpoint, INPUT, b"")
    assert await get(storage) == b""


async def test_an_object_with_a_content_encoding_comes_as_it_is_stored(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    body = zlib.compress(b"id,x\n1,2\n", wbits=31)
    endpoint.s3.put_object(
        Bucket=INPUT.bucket, Key=INPUT.key, Body=body, ContentEncoding="gzip", ContentType=CSV
    )
    assert await get(storage) == body


async def test_the_version_asked_for_is_read_though_it_is_not_the_newest(
    storage: S3Storage, versions: list[str]
) -> None:
    old, new = versions
    found = await storage.get(INPUT, version_id=old, etag=None, max_bytes=MOST)
    assert (found.body, found.head.version_id) == (b"old", old)
    assert await get(storage, version_id=new) == b"new"
    assert await get(storage) == b"new"


async def test_a_version_decides_before_an_etag_does(
    storage: S3Storage, versions: list[str]
) -> None:
    assert await get(storage, version_id=versions[0], etag="0" * 32) == b"old"


async def test_an_object_that_still_has_its_etag_is_read(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    assert await get(storage, etag=add(endpoint, INPUT, b"abc")) == b"abc"


async def test_an_object_with_another_etag_was_overwritten(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    before = add(endpoint, INPUT, b"abc")
    add(endpoint, INPUT, b"def")
    with pytest.raises(InputOverwritten, match=str(INPUT)):
        await get(storage, etag=before)


async def test_a_missing_key_or_bucket_is_no_input_and_is_named(storage: S3Storage) -> None:
    for uri in (INPUT, NOWHERE):
        for etag in (None, "0" * 32):
            with pytest.raises(NoSuchInput, match=str(uri)):
                await get(storage, uri, etag=etag)


async def test_a_version_that_was_deleted_is_no_input(
    endpoint: Endpoint, storage: S3Storage, versions: list[str]
) -> None:
    endpoint.s3.delete_object(Bucket=INPUT.bucket, Key=INPUT.key, VersionId=versions[0])
    with pytest.raises(NoSuchInput, match=str(INPUT)):
        await get(storage, version_id=versions[0])
    assert await get(storage, version_id=versions[1]) == b"new"


async def test_behind_a_delete_marker_only_the_versions_are_left(
    endpoint: Endpoint, storage: S3Storage, versions: list[str]
) -> None:
    marker = endpoint.s3.delete_object(Bucket=INPUT.bucket, Key=INPUT.key)["VersionId"]
    with pytest.raises(NoSuchInput):
        await get(storage)
    # S3 answers 405 here and moto 404: both mean that there is nothing to read.
    with pytest.raises(NoSuchInput):
        await get(storage, version_id=marker)
    assert await storage.head(INPUT) is None
    assert await get(storage, version_id=versions[1]) == b"new"


async def test_an_archived_object_is_no_input_until_it_is_restored(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    endpoint.s3.put_object(
        Bucket=INPUT.bucket, Key=INPUT.key, Body=b"abc", StorageClass="DEEP_ARCHIVE"
    )
    with pytest.raises(NoSuchInput, match="archived"):
        await get(storage)


async def test_keys_are_taken_literally_both_ways(endpoint: Endpoint, storage: S3Storage) -> None:
    keys = {
        "a b.csv",
        "a+b.csv",
        "100%.csv",
        "a%2Bb%20c.csv",
        "a+b c.csv",
        "ünï/日本.csv",
        "a&b=c;d?e#f.csv",
        "it's (1) ~*!,@$.csv",
        "/lead//twice/",
        "up/../down/./a.csv",
        "..",
    }
    for key in keys:
        add(endpoint, S3Uri(INPUT.bucket, key), key.encode())
        assert await get(storage, S3Uri(INPUT.bucket, key)) == key.encode()
        target = S3Uri(OUTPUT.bucket, key)
        await put(storage, b"out", target)
        assert await storage.head(target) is not None
    assert endpoint.keys() == keys


async def test_a_first_write_stands_and_a_second_is_a_conflict(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    await put(storage, b"first")
    with pytest.raises(WriteConflict, match=str(OUTPUT)):
        await put(storage, b"second")
    assert body_of(endpoint, OUTPUT) == b"first"


async def test_of_several_first_writes_at_once_one_stands(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    bodies = [f"{number}".encode() for number in range(4)]
    answers = await asyncio.gather(*(put(storage, body) for body in bodies), return_exceptions=True)
    assert {type(answer) for answer in answers} <= {type(None), WriteConflict}
    assert body_of(endpoint, OUTPUT) in [
        body for body, answer in zip(bodies, answers, strict=True) if answer is None
    ]


async def test_an_output_with_the_expected_etag_is_replaced(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    await put(storage, b"new", replacing=add(endpoint, OUTPUT, b"old"))
    assert body_of(endpoint, OUTPUT) == b"new"


async def test_an_output_with_another_etag_is_left_alone(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    before = add(endpoint, OUTPUT, b"old")
    add(endpoint, OUTPUT, b"theirs")
    with pytest.raises(WriteConflict):
        await put(storage, b"ours", replacing=before)
    assert body_of(endpoint, OUTPUT) == b"theirs"


async def test_to_replace_what_was_deleted_meanwhile_is_a_conflict(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    with pytest.raises(WriteConflict):
        await put(storage, b"new", replacing="0" * 32)
    assert endpoint.keys() == set()


async def test_metadata_and_content_type_stay_with_the_object(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    metadata = {"source-id": "0" * 64, "source-sequencer": "00A1", "rows": "150"}
    await storage.put(OUTPUT, b"abc", metadata=metadata, content_type=CSV, replacing=None)

    head = await storage.head(OUTPUT)

    assert head is not None
    assert head.metadata == metadata
    assert (await storage.get(OUTPUT, version_id=None, etag=None, max_bytes=MOST)).head == head
    kept = endpoint.s3.head_object(Bucket=OUTPUT.bucket, Key=OUTPUT.key)
    assert kept["ContentType"] == CSV


async def test_a_content_encoding_is_read_and_written(
    endpoint: Endpoint, storage: S3Storage
) -> None:
    encoded: dict[str, Any] = {"metadata": {}, "content_type": CSV, "content_encoding": "gzip"}
    await storage.put(OUTPUT, b"abc", **encoded, replacing=None)
    head = await storage.head(OUTPUT)
    assert head is not None
    assert head.content_encoding == "gzip"

    upload = await storage.begin(OUTPUT, **encoded)
    part = await storage.put_part(OUTPUT, upload, 1, b"abcd")
    await storage.complete(OUTPUT, upload, [part], replacing=head.etag)
    found = await storage.get(OUTPUT, version_id=None, etag=None, max_bytes=MOST)
    assert (found.body, found.head.content_encoding) == (b"abcd", "gzip")

    add(endpoint, INPUT, b"abc")
    plain = await storage.head(INPUT)
    assert plain is not None
    assert plain.content_encoding is None


async def test_a_missing_output_bucket_refuses_the_output(storage: S3Storage) -> None:
    with pytest.raises(OutputRefused, match=NOWHERE.bucket):
        await put(storage, b"abc", NOWHERE)


async def test_what_is_missing_has_no_head(storage: S3Storage) -> None:
    assert await storage.head(OUTPUT) is None
    assert await storage.head(NOWHERE) is None


async def test_refused_credentials_are_fatal(endpoint: Endpoint, storage: S3Storage) -> None:
    add(endpoint, INPUT, b"abc")
    with enable_iam_authentication(), pytest.raises(FatalError, match="InvalidAccessKeyId"):
        await get(storage)


async def test_a_model_is_brought_to_its_path(
    endpoint: Endpoint, storage: S3Storage, tmp_path: Path
) -> None:
    body = os.urandom(2_500_000)  # more than one chunk
    add(endpoint, INPUT, body)
    await storage.download(INPUT, tmp_path / "model.pkl", version_id=None)
    assert (tmp_path / "model.pkl").read_bytes() == body


async def test_a_model_is_brought_in_the_version_asked_for(
    storage: S3Storage, versions: list[str], tmp_path: Path
) -> None:
    await storage.download(INPUT, tmp_path / "model.pkl", version_id=versions[0])
    assert (tmp_path / "model.pkl").read_bytes() == b"old"


async def test_a_missing_model_is_an_error_that_names_it(
    storage: S3Storage, tmp_path: Path
) -> None:
    for uri in (INPUT, NOWHERE):
        with pytest.raises(ModelError, match=f"{uri} does not exist"):
            await storage.download(uri, tmp_path / "model.pkl", version_id=None)
    assert not (tmp_path / "model.pkl").exists()


async def test_a_model_whose_version_was_deleted_is_missing(
    endpoint: Endpoint, storage: S3Storage, versions: list[str], tmp_path: Path
) -> None:
    endpoint.s3.delete_object(Bucket=INPUT.bucket, Key=INPUT.key, VersionId=versions[0])
    with pytest.raises(ModelError, match=f"{INPUT} does not exist"):
        await storage.download(INPUT, tmp_path / "model.pkl", version_id=versions[0])


EMPTY = b'HTTP/1.1 200 OK\r\nETag: "e7a9"\r\nContent-Length: 0\r\n\r\n'


class Server:
    """Gives every request the same answer; but by HEAD it has an empty object under every key."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = True
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has left
            while answered:
                head = await read_head(reader)
                if expects_continue(head):
                    writer.write(CONTINUE)
                await read_body(head, reader)
                if head.startswith(b"HEAD "):
                    writer.write(EMPTY)
                else:
                    answered = await self.answer(writer)
        writer.close()

    async def answer(self, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; return whether the connection is still in order."""
        raise NotImplementedError


class Breaking(Server):
    """An object behind a connection that breaks in the first answers."""

    def __init__(self, breaks: int, *, reset: bool = False) -> None:
        self.body = os.urandom(400_000)
        self.requests = 0
        self._breaks = breaks
        self._reset = reset

    async def answer(self, writer: asyncio.StreamWriter) -> bool:
        self.requests += 1
        head = f'HTTP/1.1 200 OK\r\nETag: "e7a9"\r\nContent-Length: {len(self.body)}\r\n\r\n'
        breaks = self.requests <= self._breaks
        writer.write(head.encode() + (self.body[: len(self.body) // 2] if breaks else self.body))
        await writer.drain()
        if breaks and self._reset:
            writer.transport.abort()
        return not breaks


class Corrupting(Server):
    """An object whose first byte is another one on the way of the first answer."""

    def __init__(self) -> None:
        self.body = os.urandom(1000)
        self.requests = 0

    async def answer(self, writer: asyncio.StreamWriter) -> bool:
        self.requests += 1
        checksum = base64.b64encode(zlib.crc32(self.body).to_bytes(4)).decode()
        head = (
            f'HTTP/1.1 200 OK\r\nETag: "e7a9"\r\nx-amz-checksum-crc32: {checksum}\r\n'
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        first = self.body[0] ^ (self.requests == 1)
        writer.write(head.encode() + bytes([first]) + self.body[1:])
        return True


class Refusing(Server):
    """A server that answers everything with one error, as S3 words it."""

    def __init__(self, status: int, code: str, message: str = "no") -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self._answer = (
            f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        self.requests = 0

    async def answer(self, writer: asyncio.StreamWriter) -> bool:
        self.requests += 1
        writer.write(self._answer)
        return True


Behind = Callable[[Server], AbstractAsyncContextManager[S3Storage]]


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch, way: Way) -> Behind:
    """Open the storage on a server of the test's own."""

    @asynccontextmanager
    async def behind(server: Server) -> AsyncIterator[S3Storage]:
        bundle = os.environ.get("AWS_CA_BUNDLE")
        tls = None if bundle is None else server_context(Path(bundle))
        async with served(server.serve, tls) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            async with opened(
                INPUT.bucket, OUTPUT.bucket, direct=way.direct, connections=1
            ) as storage:
                yield storage

    return behind


@pytest.mark.parametrize("reset", [False, True])
async def test_a_body_that_breaks_off_is_read_again_from_the_start(
    behind: Behind, *, reset: bool
) -> None:
    server = Breaking(1, reset=reset)
    async with behind(server) as storage:
        found = await storage.get(INPUT, version_id=None, etag=None, max_bytes=MOST)
    assert found.body == server.body
    assert found.head.size == len(server.body)
    assert server.requests == 2


async def test_a_body_that_keeps_breaking_off_is_given_up_until_later(
    behind: Behind,
) -> None:
    server = Breaking(1000)
    async with behind(server) as storage:
        with pytest.raises(TransientError, match=str(INPUT)):
            await get(storage)
    assert 2 <= server.requests < 10


async def test_a_body_that_does_not_fit_its_checksum_is_read_again(
    behind: Behind, tmp_path: Path
) -> None:
    for_get, for_download = Corrupting(), Corrupting()
    async with behind(for_get) as storage:
        found = await storage.get(INPUT, version_id=None, etag=None, max_bytes=MOST)
    async with behind(for_download) as storage:
        await storage.download(INPUT, tmp_path / "model.pkl", version_id=None)
    assert found.body == for_get.body
    assert (tmp_path / "model.pkl").read_bytes() == for_download.body
    assert for_get.requests == for_download.requests == 2


class Stumbling(Server):
    """Answers the first PUT in another way than the others, which succeed."""

    def __init__(self, first: bytes) -> None:
        self.requests = 0
        self._first = first

    async def answer(self, writer: asyncio.StreamWriter) -> bool:
        self.requests += 1
        writer.write(self._first if self.requests == 1 else EMPTY)
        return True


ERROR = b"<Error><Code>SlowDown</Code><Message>later</Message></Error>"


@pytest.mark.parametrize("status", ["503 Slow Down", "200 OK"])
async def test_a_write_that_fails_for_a_moment_is_tried_again(behind: Behind, status: str) -> None:
    # S3 may write an error into the body of a success.
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(ERROR)}\r\n\r\n"
    server = Stumbling(head.encode() + ERROR)
    async with behind(server) as storage:
        await put(storage, b"abc")
    assert server.requests == 2


async def test_a_server_that_goes_on_failing_is_asked_as_often_as_the_sdk_asks(
    behind: Behind,
) -> None:
    server = Refusing(500, "InternalError")
    async with behind(server) as storage:
        with pytest.raises(InfrastructureError, match="InternalError"):
            await put(storage, b"abc")
    assert server.requests == S3_ATTEMPTS


class HangingUp(Server):
    """Closes the connection instead of answering."""

    async def answer(self, _: asyncio.StreamWriter) -> bool:
        return False


async def test_a_server_that_does_not_answer_is_an_error_of_the_sdk(behind: Behind) -> None:
    async with behind(HangingUp()) as storage:
        with pytest.raises(InfrastructureError, match="Connection was closed before we received"):
            await put(storage, b"abc")


async def test_metadata_that_s3_does_not_take_refuses_the_output(storage: S3Storage) -> None:
    with pytest.raises(OutputRefused, match="metadata"):
        await storage.put(
            OUTPUT, b"abc", metadata={"sequencer": "é"}, content_type=CSV, replacing=None
        )


async def test_a_model_that_breaks_off_is_fetched_again_from_the_start(
    behind: Behind, tmp_path: Path
) -> None:
    server = Breaking(1)
    async with behind(server) as storage:
        await storage.download(INPUT, tmp_path / "model.pkl", version_id=None)
    assert (tmp_path / "model.pkl").read_bytes() == server.body
    assert server.requests == 2


WHO = "User: arn:aws:sts::1:assumed-role/worker/session"


# What moto cannot be brought to answer.
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "ExpiredToken", FatalError),
        (403, "SignatureDoesNotMatch", FatalError),
        (405, "MethodNotAllowed", NoSuchInput),  # the version is a delete marker
        (412, "PreconditionFailed", InputOverwritten),
    ],
)
async def test_what_a_refused_read_means_is_told_from_its_code(
    behind: Behind, status: int, code: str, error: type[Exception]
) -> None:
    async with behind(Refusing(status, code)) as storage:
        with pytest.raises(error) as caught:
            await get(storage, etag="0" * 32)
    assert type(caught.value) is error
    assert str(INPUT) in str(caught.value)


async def test_a_version_id_that_is_none_is_no_input(behind: Behind) -> None:
    # moto answers NoSuchVersion whatever the id looks like.
    refusing = Refusing(400, "InvalidArgument", "Invalid version id specified")
    async with behind(refusing) as storage:
        with pytest.raises(NoSuchInput, match=str(INPUT)):
            await get(storage, version_id="nonsense")


async def test_the_words_of_a_key_do_not_make_a_denied_input_a_missing_one(
    behind: Behind,
) -> None:
    words = f"{WHO} is not authorized to perform: s3:GetObject on resource: in/version id.csv"
    async with behind(Refusing(403, "AccessDenied", words)) as storage:
        with pytest.raises(TransientError, match="Next step: allow s3:GetObject"):
            await get(storage, version_id="v1")


async def test_another_invalid_argument_is_no_missing_version(
    behind: Behind,
) -> None:
    refusing = Refusing(400, "InvalidArgument", "The version id of the rule is not valid")
    async with behind(refusing) as storage:
        with pytest.raises(TransientError):
            await get(storage, version_id="v1")


@pytest.mark.parametrize("bucket", ["two words", "line\nend", "x" * 300])
async def test_a_bucket_that_no_bucket_can_be_named_is_no_input_and_no_place_for_outputs(
    storage: S3Storage, bucket: str
) -> None:
    with pytest.raises(NoSuchInput, match="Invalid bucket name"):
        await storage.get(S3Uri(bucket, "a"), version_id=None, etag=None, max_bytes=MOST)
    with pytest.raises(OutputRefused, match="Invalid bucket name"):
        await storage.put(
            S3Uri(bucket, "a"), b"", metadata={}, content_type="text/csv", replacing=None
        )


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (403, "AccessDenied", "Access Denied", "access to .* is denied: .*s3:ListBucket"),
        (
            403,
            "AccessDenied",
            f"{WHO} is not authorized to perform: s3:ListBucket on resource: arn:aws:s3:::models",
            "is denied: .*Cause: the object does not exist, .*check the key",
        ),
        (
            403,
            "AccessDenied",
            f"{WHO} is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu:1:key/0",
            "cannot be decrypted: .*the KMS key arn:aws:kms:eu:1:key/0.*allow kms:Decrypt",
        ),
        (400, "KMS.DisabledException", "is disabled", "cannot be decrypted: .*enable the key"),
        (404, "NoSuchKey", "no", r"does not exist \(NoSuchKey\).*aws s3 ls --recursive s3://"),
        (404, "NoSuchVersion", "no", "the version was deleted.*list-object-versions --bucket"),
        (405, "MethodNotAllowed", "no", "the version was deleted.*leave .versionId= out"),
        (400, "InvalidArgument", "Invalid version id specified", "or its id is wrong"),
        (404, "NoSuchBucket", "no", "there is no such bucket.*check the name of the bucket"),
        (403, "InvalidObjectState", "no", "cannot be read: .*archived.*restore it"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "no",
            "cannot be read: .*check the region of the bucket",
        ),
    ],
)
async def test_a_model_that_is_refused_is_fatal_with_its_cause_and_the_next_step(  # noqa: PLR0917 - a table
    behind: Behind,
    tmp_path: Path,
    status: int,
    code: str,
    message: str,
    words: str,
) -> None:
    async with behind(Refusing(status, code, message)) as storage:
        with pytest.raises(ModelError, match=words):
            await storage.download(INPUT, tmp_path / "model.pkl", version_id="v1")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "KeyTooLongError", OutputRefused),
        (403, "AccessDenied", AccessDenied),
        (404, "NoSuchKey", WriteConflict),
        (409, "ConditionalRequestConflict", WriteConflict),
        (412, "PreconditionFailed", WriteConflict),
    ],
)
async def test_what_a_refused_write_means_is_told_from_its_code(
    behind: Behind, status: int, code: str, error: type[Exception]
) -> None:
    async with behind(Refusing(status, code)) as storage:
        with pytest.raises(error) as caught:
            await put(storage, b"abc")
    assert type(caught.value) is error
    assert str(OUTPUT) in str(caught.value)


async def test_a_model_to_which_access_is_denied_is_an_error_that_names_it(
    behind: Behind, tmp_path: Path
) -> None:
    async with behind(Refusing(403, "AccessDenied")) as storage:
        with pytest.raises(ModelError, match=f"access to the model {INPUT} is denied"):
            await storage.download(INPUT, tmp_path / "model.pkl", version_id=None)

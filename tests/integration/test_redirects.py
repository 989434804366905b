"""Redirects of S3, under AWS's own names and on an endpoint of one's own."""

import asyncio
import os
from asyncio import StreamReader, StreamWriter
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.aws_regions import Regions
from tests.support.certificates import make_authority, server_context
from tests.support.s3_refusals import REGION_HEADER, refusal, target_of
from tests.support.scenario import OTHER_REGION, REGION, Endpoint, iris, model_file
from tests.support.storages import opened
from tests.support.tcp_server import served
from tests.support.tls_front import Front, fronted
from worker.errors import TransientError
from worker.job import S3Uri
from worker.storage.protocol import WriteConflict
from worker.storage.s3 import S3Storage

OBJECT = S3Uri("jobs-out", "p/dir/a b.csv")
BODY = os.urandom(300_000)
CSV = "text/csv"
Use = Callable[[S3Storage, Endpoint], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def reached_by(
    environment: Mapping[str, str], *known: str, direct: bool = True
) -> AsyncIterator[S3Storage]:
    """Open the storage in an environment; the direct client knows addresses of some buckets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        async with opened(*known, direct=direct, connections=16) as storage:
            yield storage


@pytest.fixture
async def regions(endpoint: Endpoint, bundle: Path) -> AsyncIterator[Regions]:
    """S3 in two regions: the worker's own has the inputs, the other one has the outputs."""
    homes = {endpoint.input: REGION, endpoint.output: OTHER_REGION}
    regions = Regions(endpoint.url, bundle, homes)
    async with regions.reachable():
        yield regions


@pytest.fixture(params=[True, False], ids=["direct", "aioboto3"])
async def storage(regions: Regions, request: pytest.FixtureRequest) -> AsyncIterator[S3Storage]:
    """The storage; the direct client knows the buckets from when all were in the own region."""
    homes, regions.homes = regions.homes, defaultdict(lambda: REGION)
    async with reached_by(regions.environment, *homes, direct=request.param) as storage:
        regions.homes = homes
        regions.forget()
        yield storage


async def put(storage: S3Storage, body: bytes = BODY) -> None:
    await storage.put(OBJECT, body, metadata={}, content_type=CSV, replacing=None)


def add(endpoint: Endpoint) -> str:
    """Put the object as somebody outside would; its ETag is returned."""
    there = endpoint.s3.put_object(Bucket=OBJECT.bucket, Key=OBJECT.key, Body=BODY)
    return there["ETag"].strip('"')


async def uses_put(storage: S3Storage, endpoint: Endpoint) -> None:
    await put(storage)
    assert endpoint.get(OBJECT.key) == BODY
    with pytest.raises(WriteConflict):
        await put(storage, b"second")


async def uses_multipart(storage: S3Storage, endpoint: Endpoint) -> None:
    upload = await storage.begin(OBJECT, metadata={}, content_type=CSV)
    etag = await storage.put_part(OBJECT, upload, 1, BODY)
    await storage.complete(OBJECT, upload, [etag], replacing=None)
    assert endpoint.get(OBJECT.key) == BODY


async def uses_get(storage: S3Storage, endpoint: Endpoint) -> None:
    etag = add(endpoint)
    found = await storage.get(OBJECT, version_id=None, etag=etag, max_bytes=len(BODY))
    assert found.body == BODY


async def uses_range(storage: S3Storage, endpoint: Endpoint) -> None:
    etag = add(endpoint)
    assert await storage.read(OBJECT, 5, 9, version_id=None, etag=etag) == BODY[5:9]


async def uses_head(storage: S3Storage, endpoint: Endpoint) -> None:
    etag = add(endpoint)
    head = await storage.head(OBJECT)
    assert head is not None
    assert head.etag == etag


async def uses_download(storage: S3Storage, endpoint: Endpoint) -> None:
    add(endpoint)
    await storage.download(OBJECT, Path(os.devnull), version_id=None)


async def uses_abort(storage: S3Storage, endpoint: Endpoint) -> None:
    there = endpoint.s3.create_multipart_upload(Bucket=OBJECT.bucket, Key=OBJECT.key)["UploadId"]
    await storage.abort(OBJECT, there)
    assert "Uploads" not in endpoint.s3.list_multipart_uploads(Bucket=OBJECT.bucket)


USES: list[Use] = [
    uses_put,
    uses_multipart,
    uses_get,
    uses_range,
    uses_head,
    uses_download,
    uses_abort,
]
# The error of a request in the wrong region, and the requests whose answers name the right one.
Telling = tuple[str, set[str]]
NAMED: Telling = ("PermanentRedirect", {"object", "bucket"})
UNNAMED: list[Telling] = [
    ("PermanentRedirect", {"bucket"}),
    ("TemporaryRedirect", {"bucket"}),
    ("IllegalLocationConstraintException", {"bucket"}),
]


@pytest.mark.parametrize(
    ("telling", "use"),
    [
        *((NAMED, use) for use in USES),
        *((telling, use) for telling in UNNAMED for use in (uses_put, uses_head)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value.__name__,
)
async def test_every_call_finds_a_bucket_in_another_region(
    regions: Regions, storage: S3Storage, endpoint: Endpoint, telling: Telling, use: Use
) -> None:
    regions.code, regions.names_region = telling

    await use(storage, endpoint)

    first, *later = [asked for asked in regions.asked if asked.target != "/"]
    assert (first.region, first.signed_for) == (REGION, REGION)
    assert {(asked.region, asked.signed_for) for asked in later} == {(OTHER_REGION, OTHER_REGION)}
    again = later[0]
    assert (again.method, again.target) == (first.method, first.target)
    assert again.condition == first.condition
    questions = [asked for asked in regions.asked if asked.target == "/"]
    assert len([asked for asked in questions if asked.region == OTHER_REGION]) <= 1


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("body", [b"", BODY, os.urandom(3 << 20)], ids=len)
async def test_the_whole_body_is_sent_again(
    regions: Regions, storage: S3Storage, endpoint: Endpoint, body: bytes, *, early: bool
) -> None:
    regions.answers_early = early

    await put(storage, body)

    assert endpoint.get(OBJECT.key) == body
    assert [asked.condition for asked in regions.asked] == ["*", "*"]
    assert regions.seen["aws-chunked"] == 1  # the other one was redirected


async def test_the_global_endpoint_redirects_to_a_new_bucket(
    regions: Regions, endpoint: Endpoint
) -> None:
    regions.code, regions.names_region = "TemporaryRedirect", {"bucket"}

    async with reached_by(regions.environment | {"AWS_REGION": "us-east-1"}) as storage:
        await put(storage)

    assert endpoint.get(OBJECT.key) == BODY
    assert f"{OBJECT.bucket}.s3.amazonaws.com:443" in regions.hosts
    assert (regions.asked[0].region, regions.asked[-1].region) == ("us-east-1", OTHER_REGION)


async def test_calls_at_once_ask_once_for_the_region_of_their_bucket(
    regions: Regions, storage: S3Storage, endpoint: Endpoint
) -> None:
    add(endpoint)
    regions.names_region = {"bucket"}

    for _ in range(2):
        found = await asyncio.gather(
            *(
                storage.get(OBJECT, version_id=None, etag=None, max_bytes=len(BODY))
                for _ in range(8)
            )
        )
        assert all(start.body == BODY for start in found)

    questions = [asked.region for asked in regions.asked if asked.target == "/"]
    assert questions == [REGION, OTHER_REGION]  # the question itself is redirected
    assert len([asked for asked in regions.asked if asked.region == REGION]) <= 9


async def test_a_bucket_that_has_moved_is_found_again(
    regions: Regions, storage: S3Storage, endpoint: Endpoint
) -> None:
    add(endpoint)
    regions.names_region = {"bucket"}
    homes = dict(regions.homes)
    for home in (OTHER_REGION, REGION, OTHER_REGION):
        regions.homes = homes | {OBJECT.bucket: home}
        assert await storage.head(OBJECT) is not None
        found = await storage.get(OBJECT, version_id=None, etag=None, max_bytes=len(BODY))
        assert found.body == BODY
        assert regions.asked[-1].signed_for == home


class Undecided(Regions):
    """Each region says that the bucket is in the other one."""

    def home_of(self, _bucket: str, asked_in: str) -> str:
        return REGION if asked_in == OTHER_REGION else OTHER_REGION


@pytest.mark.parametrize(
    ("naming", "tried"),
    [({"object", "bucket"}, f"{REGION} and then {OTHER_REGION}"), ({"bucket"}, REGION)],
)
async def test_redirects_without_an_end_fail_with_bucket_and_regions(
    endpoint: Endpoint, bundle: Path, naming: set[str], tried: str
) -> None:
    regions = Undecided(endpoint.url, bundle, {})
    regions.names_region = naming
    async with regions.reachable(), reached_by(regions.environment) as storage:
        with pytest.raises(TransientError) as caught:
            await put(storage)

    assert str(caught.value).startswith(f"writing {OBJECT}: ")
    assert f"{OBJECT.bucket} was looked for in the region {tried}, at " in str(caught.value)
    assert "check the region of the bucket, and AWS_ENDPOINT_URL" in str(caught.value)
    assert len(regions.asked) <= 4
    assert endpoint.keys() == set()


async def test_a_region_that_nobody_names_is_asked_for_once_a_call(
    regions: Regions, storage: S3Storage
) -> None:
    regions.names_region = set()

    with pytest.raises(TransientError, match="another region, which it does not name"):
        await put(storage)

    assert [asked.method for asked in regions.asked] == ["PUT", "HEAD"]


@pytest.mark.parametrize("region", ["evil.example/", "", "a" * 70])
async def test_what_is_no_region_leads_nowhere(
    regions: Regions, storage: S3Storage, region: str
) -> None:
    regions.homes = {OBJECT.bucket: region}

    for _ in range(2):
        with pytest.raises(TransientError):
            await put(storage)

    assert regions.hosts == {f"{OBJECT.bucket}.s3.{REGION}.amazonaws.com:443"}
    regions.homes = {OBJECT.bucket: OTHER_REGION}
    await put(storage)  # the wrong answers were not remembered


async def test_behind_a_proxy_too_a_certificate_of_another_authority_is_refused(
    regions: Regions, tmp_path: Path
) -> None:
    changes = {"AWS_CA_BUNDLE": str(make_authority(tmp_path))}
    async with reached_by(regions.environment | changes) as storage:
        with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
            await storage.head(OBJECT)
    assert not regions.asked


async def test_a_worker_writes_to_a_bucket_in_another_region(
    regions: Regions, endpoint: Endpoint, tmp_path: Path
) -> None:
    del endpoint.environment["AWS_ENDPOINT_URL"]
    endpoint.environment |= regions.environment
    for number in range(4):
        endpoint.submit(f"{number}.csv", iris().to_csv(index=False).encode())

    ended = await endpoint.worker(WORKER_MODEL=str(model_file(tmp_path)))

    assert ended.status == 0, ended.stderr
    assert endpoint.keys() == {f"p/{number}.csv" for number in range(4)}
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0
    assert [line["event"] for line in ended.events if line["level"] != "info"] == []
    puts = [asked.region for asked in regions.asked if asked.method == "PUT"]
    assert puts.count(OTHER_REGION) == 4


class Moved(Front):
    """An endpoint of one's own, which sends each request to the address in `there`."""

    there = ""
    status = 307
    headers: Mapping[str, str] = {}
    requests = 0

    def own_answer(self, head: bytes) -> bytes:
        self.requests += 1
        headers = {**self.headers, "Location": self.there + target_of(head)}
        return refusal(head, self.status, "TemporaryRedirect", headers=headers)


@pytest.mark.parametrize("use", [uses_put, uses_multipart, uses_range])
async def test_an_address_on_the_same_host_is_followed(
    endpoint: Endpoint, front: Front, bundle: Path, use: Use
) -> None:
    moved = Moved(endpoint.url, bundle)
    async with fronted(moved), reached_by(moved.environment) as storage:
        moved.there = front.url
        await use(storage, endpoint)


async def test_a_region_that_comes_with_an_address_is_signed_for(
    endpoint: Endpoint, bundle: Path
) -> None:
    moved, there = Moved(endpoint.url, bundle), Signed(endpoint.url, bundle)
    moved.status, moved.headers = 301, {REGION_HEADER: OTHER_REGION}
    async with fronted(moved), fronted(there), reached_by(moved.environment) as storage:
        moved.there = there.url
        await put(storage)
    assert there.regions == [OTHER_REGION]
    assert endpoint.get(OBJECT.key) == BODY


class OneHost(Front):
    """An endpoint of one's own, where only the signature says which region is meant."""

    def own_answer(self, head: bytes) -> bytes | None:
        if f"/{OTHER_REGION}/s3/" in head.decode():
            return None
        headers = {REGION_HEADER: OTHER_REGION} if head.startswith(b"HEAD ") else {}
        fields = {"Region": OTHER_REGION}
        code = "AuthorizationHeaderMalformed"
        return refusal(head, 400, code, fields=fields, headers=headers)


@pytest.mark.parametrize("use", [uses_put, uses_range, uses_head])
async def test_a_signature_for_the_wrong_region_is_made_anew(
    endpoint: Endpoint, bundle: Path, use: Use
) -> None:
    host = OneHost(endpoint.url, bundle)
    async with fronted(host), reached_by(host.environment) as storage:
        await use(storage, endpoint)


class Signed(Front):
    """Notes the region that each request is signed for."""

    def __init__(self, upstream: str, bundle: Path) -> None:
        super().__init__(upstream, bundle)
        self.regions: list[str] = []

    def own_answer(self, head: bytes) -> bytes | None:
        self.regions.append(head.decode().partition("Credential=")[2].split("/")[2])
        return None


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_address_on_another_host_gets_no_request(
    endpoint: Endpoint, bundle: Path, scheme: str
) -> None:
    """127.0.0.1 is another name than localhost, though the same machine answers to it."""
    visitors: list[bytes] = []

    async def visited(reader: StreamReader, _: StreamWriter) -> None:
        visitors.append(await reader.read(1))

    tls = server_context(bundle) if scheme == "https" else None
    moved = Moved(endpoint.url, bundle)
    async with (
        fronted(moved),
        served(visited, tls) as url,
        reached_by(moved.environment) as storage,
    ):
        port = url.rpartition(":")[2]
        moved.there = f"{scheme}://127.0.0.1:{port}"
        with pytest.raises(
            TransientError, match=f"{scheme}://127.0.0.1:{port}, which is not followed"
        ):
            await put(storage)
        moved.there = f"http://localhost:{port}"  # the same host, but no longer TLS
        with pytest.raises(TransientError):
            await put(storage)
    assert not visitors


async def test_addresses_without_an_end_are_followed_once(endpoint: Endpoint, bundle: Path) -> None:
    one, other = Moved(endpoint.url, bundle), Moved(endpoint.url, bundle)
    async with fronted(one), fronted(other), reached_by(one.environment) as storage:
        one.there, other.there = other.url, one.url
        with pytest.raises(TransientError, match=OBJECT.bucket):
            await put(storage)
    assert (one.requests, other.requests) == (1, 1)


async def test_over_plain_http_too_a_redirect_is_followed_with_its_body(
    endpoint: Endpoint, bundle: Path
) -> None:
    moved = Moved(endpoint.url, bundle)
    moved.there = endpoint.url
    async with served(moved.converse) as url, reached_by({"AWS_ENDPOINT_URL": url}) as storage:
        await put(storage)
    assert endpoint.get(OBJECT.key) == BODY

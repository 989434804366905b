"""What the storage sends to S3: the direct client sends what the SDK would send."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from aiobotocore.config import AioConfig
from botocore.endpoint_provider import RuleSet
from multidict import CIMultiDict
from yarl import URL

from tests.support.scenario import REGION, Endpoint
from tests.support.storages import opened
from worker.aws.clients import open_client
from worker.aws.http_session import HttpSession, WatchedSession
from worker.errors import OutputRefused, TransientError
from worker.job import S3Uri
from worker.storage.direct_client import MAX_BODY_BYTES, DirectClient
from worker.storage.s3 import S3Storage

OWNER = f"{REGION}:123456789012"
KEY = "dir/a b+c%20~ü.csv"
SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=test/\d{8}/(\S+)/aws4_request, SignedHeaders=\S+")
# Headers that differ in each request, and those that only the SDK or only aiohttp adds.
LEFT_OUT = {"x-amz-date", "authorization", "user-agent", "expect", "content-length", "host"}
SESSION = (
    b"<CreateSessionResult><Credentials><SessionToken>session</SessionToken><SecretAccessKey>s"
    b"</SecretAccessKey><AccessKeyId>test</AccessKeyId><Expiration>2099-01-01T00:00:00Z"
    b"</Expiration></Credentials></CreateSessionResult>"
)


@dataclass(slots=True)
class Answer:
    """An answer, as aiohttp has it."""

    url: str
    status: int
    data: bytes
    closed: bool = False

    @property
    def headers(self) -> CIMultiDict[str]:
        return CIMultiDict({"ETag": '"e"', "Content-Length": str(len(self.data))})

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode(), value.encode()) for name, value in self.headers.items()]

    @property
    def content(self) -> Self:
        return self

    async def read(self, _: int = -1) -> bytes:
        return self.data

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as aiohttp gets it; the names of its headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    proxy: str | None


@dataclass(slots=True)
class Network:
    """Stands in for aiohttp: notes each request, and answers it with an object."""

    status: int = 200
    requests: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: BytesIO | bytes | None,
        proxy: str | None,
        **_: object,
    ) -> Answer:
        body = data if isinstance(data, bytes) else data.getvalue() if data else b""
        texts = {name.lower(): value for name, value in headers.items()}
        self.requests.append(Request(method, str(url), texts, body, proxy))
        size = 2 if "range" in texts else 0
        self.answers.append(
            Answer(str(url), self.status, SESSION if "session" in url.query else bytes(size))
        )
        return self.answers[-1]


class NetworkSession(HttpSession):
    """The SDK's HTTP session on a network."""

    def __init__(self, network: Network, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(**options)
        self._network = network

    async def _get_session(self, _proxy_url: str | None) -> WatchedSession:
        return WatchedSession(self._network)


@dataclass(frozen=True, slots=True)
class Opened:
    """The storage, what it sends, and the calls that the SDK makes."""

    storage: S3Storage
    network: Network
    calls: list[str]


@asynccontextmanager
async def on_a_network(*, direct: bool = True) -> AsyncIterator[Opened]:
    network, calls = Network(), list[str]()

    def note(event_name: str, **_: object) -> None:
        calls.append(event_name.rpartition(".")[2])

    config = AioConfig(http_session_cls=partial(NetworkSession, network))  # type: ignore[arg-type] # not a class
    async with open_client("s3", config) as client:
        client.meta.events.register("before-call.s3", note)
        yield Opened(S3Storage(client, DirectClient(client) if direct else None), network, calls)


def headers_of(request: Request) -> dict[str, str]:
    return {
        name: value
        for name, value in request.headers.items()
        if name not in LEFT_OUT and not name.startswith("amz-sdk-")
    }


def scope_of(request: Request) -> str:
    """Return the region and the service that a request is signed for."""
    found = SCOPE.match(request.headers["authorization"])
    assert found is not None
    return found[1]


async def every_call(storage: S3Storage, uri: S3Uri) -> None:
    """Make each call that the direct client can make."""
    assert await storage.read(uri, 5, 7, version_id=None, etag="e-1") == bytes(2)
    await storage.get(uri, version_id="null +/", etag=None, max_bytes=100)
    await storage.head(uri)
    encoded = {"content_type": "text/csv", "content_encoding": "gzip"}
    await storage.put(uri, b"abc", metadata={"source-id": "a  b"}, **encoded, replacing=None)
    await storage.put(uri, b"", metadata={}, content_type="text/csv", replacing="e")


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
async def test_the_direct_client_sends_what_the_sdk_sends(
    monkeypatch: pytest.MonkeyPatch, checksums: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9000")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", checksums)
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", checksums)
    uris = [S3Uri("jobs", key) for key in (KEY, "/lead//twice/", "up/../down")]
    async with on_a_network(direct=False) as sdk:
        for uri in uris:
            await every_call(sdk.storage, uri)
    async with on_a_network() as direct:
        await direct.storage.head(S3Uri("jobs", "known"))
        direct.network.requests.clear()
        direct.calls.clear()
        for uri in uris:
            await every_call(direct.storage, uri)

    assert direct.calls == []
    assert len(sdk.calls) == len(direct.network.requests)
    for theirs, ours in zip(sdk.network.requests, direct.network.requests, strict=True):
        assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
        assert headers_of(ours) == headers_of(theirs)
        assert scope_of(ours) == scope_of(theirs) == f"{REGION}/s3"
        assert ours.headers["host"] == urlsplit(ours.url).netloc


DUALSTACK = {"AWS_USE_DUALSTACK_ENDPOINT": "true"}
FIPS = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_REGION": "us-east-2"}
ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"


@pytest.mark.parametrize(
    ("variables", "bucket", "host", "region"),
    [
        ({}, "jobs", f"jobs.s3.{REGION}.amazonaws.com", REGION),
        ({}, "my.bucket", f"s3.{REGION}.amazonaws.com", REGION),
        ({"AWS_REGION": "us-east-1"}, "jobs", "jobs.s3.amazonaws.com", "us-east-1"),
        (DUALSTACK, "jobs", f"jobs.s3.dualstack.{REGION}.amazonaws.com", REGION),
        (FIPS, "jobs", "jobs.s3-fips.us-east-2.amazonaws.com", "us-east-2"),
        ({"AWS_ENDPOINT_URL_S3": "https://localhost:9000/base/"}, "jobs", "localhost:9000", REGION),
        ({}, ACCESS_POINT, "mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "eu-west-1"),
        ({}, "mine-abcdefgh-s3alias", f"mine-abcdefgh-s3alias.s3.{REGION}.amazonaws.com", REGION),
    ],
)
async def test_the_direct_client_finds_a_bucket_where_the_sdk_finds_it(
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    bucket: str,
    host: str,
    region: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with on_a_network() as opened:
        for _ in range(2):
            await opened.storage.head(S3Uri(bucket, KEY))

    assert opened.calls == ["HeadObject"]
    by_sdk, direct = opened.network.requests
    assert direct.url == by_sdk.url
    assert urlsplit(direct.url).netloc == host
    assert scope_of(direct) == scope_of(by_sdk) == f"{region}/s3"


async def test_the_direct_client_goes_through_the_proxy_of_the_sdk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "")
    async with on_a_network() as opened:
        for _ in range(2):
            await opened.storage.head(S3Uri("jobs", KEY))
    assert opened.calls == ["HeadObject"]
    assert [request.proxy for request in opened.network.requests] == ["http://proxy:3128"] * 2


@pytest.mark.parametrize(
    ("bucket", "service"),
    [
        ("in--euc1-az1--x-s3", "s3express"),
        (f"arn:aws:s3-object-lambda:{OWNER}:accesspoint/a", "s3-object-lambda"),
        (f"arn:aws:s3-outposts:{OWNER}:outpost/op-0123456/accesspoint/a", "s3-outposts"),
    ],
)
async def test_what_only_the_sdk_can_sign_is_left_to_the_sdk(bucket: str, service: str) -> None:
    async with on_a_network() as opened:
        for _ in range(3):
            await opened.storage.head(S3Uri(bucket, KEY))
    assert opened.calls.count("HeadObject") == 3
    assert scope_of(opened.network.requests[-1]) == f"{REGION}/{service}"


async def test_a_large_body_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9000")
    async with on_a_network() as opened:
        for size in (0, MAX_BODY_BYTES, MAX_BODY_BYTES + 1):
            await opened.storage.put(
                S3Uri("out", KEY), bytes(size), metadata={}, content_type="t", replacing=None
            )
    assert opened.calls == ["PutObject", "PutObject"]
    assert "expect" in opened.network.requests[-1].headers


async def test_a_key_that_no_object_has_is_left_to_the_sdk() -> None:
    async with on_a_network() as opened:
        await opened.storage.head(S3Uri("jobs", KEY))
        with pytest.raises(OutputRefused, match="Invalid length for parameter Key"):
            await opened.storage.head(S3Uri("jobs", ""))


async def test_an_answer_that_the_sdk_cannot_take_is_closed() -> None:
    """The SDK signs its own request before it takes the direct client's answer."""
    async with on_a_network() as opened:
        await opened.storage.head(S3Uri("jobs", KEY))
        opened.network.status = 503

        def fail(**_: object) -> None:
            raise RuntimeError("no keys")

        client: Any = opened.storage._client
        client.meta.events.register("before-sign.s3", fail)
        with pytest.raises(TransientError, match="no keys"):
            await opened.storage.head(S3Uri("jobs", KEY))
    assert opened.network.answers[-1].closed


async def test_the_sdk_works_out_the_endpoint_of_a_bucket_once_for_all_its_keys(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out: list[Mapping[str, object]] = []
    evaluate = RuleSet.evaluate

    def noting(rules: RuleSet, parameters: dict[str, object]) -> object:
        worked_out.append(parameters)
        return evaluate(rules, parameters)

    monkeypatch.setattr(RuleSet, "evaluate", noting)
    async with opened(direct=False, connections=1) as storage:
        for key in ("a.csv", "b.csv", "dir/c.csv"):
            # By a client that does as botocore does.
            endpoint.s3.put_object(Bucket=endpoint.input, Key=key, Body=b"body")
            uri = S3Uri(endpoint.input, key)
            await storage.get(uri, version_id=None, etag=None, max_bytes=100)
        assert len([asked for asked in worked_out if "Key" not in asked]) == 1
        # The rules that botocore has loaded are as they were, for other clients of the session.
        client: Any = storage._client
        rules = client._loader.load_service_model("s3", "endpoint-rule-set-1")
        assert "Key" in rules["parameters"]

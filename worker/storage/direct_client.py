"""The direct client: reads and writes small files on S3 without the SDK's machinery.

The SDK spends most of the CPU time of a call on work whose result is the same each time. The direct
client builds, signs and reads GET, HEAD and PUT requests for objects itself, and sends them through
the SDK's own HTTP session. Everything else stays the SDK's:

- The SDK makes the first call for each bucket, as it knows all rules for names and addresses. The
  direct client copies the address, the region and the proxy from the request that the SDK sends.
- The direct client tries a call once. If S3 does not answer with a success, the SDK makes the call,
  and takes that answer or error as the result of its own first try. So the SDK decides what to try
  again, follows redirects, and raises its own errors.
"""

import base64
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeGuard
from urllib.parse import quote, urlsplit

from aiobotocore.httpchecksum import handle_checksum_body
from aiobotocore.response import StreamingBody
from aiohttp import ClientResponse
from botocore.httpchecksum import resolve_response_checksum_algorithms
from yarl import URL

from worker.aws.clients import USER_AGENT
from worker.aws.http_session import Result, SentRequest, WatchedSession, watched
from worker.storage.signature import ALGORITHM, SERVICE, signed

# A larger body is the SDK's: it asks S3 first, so that a redirect does not cost a second upload.
MAX_BODY_BYTES = 1 << 20
WHEN_SUPPORTED = "when_supported"  # the default of both settings that the SDK has for checksums
METADATA_PREFIX = "x-amz-meta-"
HEADERS = {
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "Range": "range",
    "ContentType": "content-type",
    "ContentEncoding": "content-encoding",
}
LOWEST_FAILURE = 300  # of HTTP statuses, as the SDK counts them
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=[^,]+/\d+/(?P<region>[^/,]+)/{SERVICE}/aws4_request,"
)

Params = Mapping[str, Any]  # of a call, by the SDK's names


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a bucket's objects are, and how requests get there."""

    url: str  # up to the key
    host: str
    path: str
    region: str
    session: WatchedSession
    proxy: Mapping[str, Any]


class DirectClient:
    """Three calls of the SDK's client, with the parameters and fields that S3Storage uses."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - the SDK makes the client's type
        self._client = client
        self._credentials = client._get_credentials()  # noqa: SLF001 - it has no public name
        self._addresses: dict[str, _Address] = {}
        config = client.meta.config
        self._sends_checksum = config.request_checksum_calculation == WHEN_SUPPORTED
        self._get_headers: dict[str, str] = {}
        self._get_model = client.meta.service_model.operation_model("GetObject")
        self._get_context: dict[str, Any] = {"context": {}}
        if config.response_checksum_validation == WHEN_SUPPORTED:
            self._get_headers = {"x-amz-checksum-mode": "ENABLED"}
            resolve_response_checksum_algorithms(
                self._get_context, self._get_model, {"ChecksumMode": "ENABLED"}
            )

    async def get_object(self, **params: Any) -> Any:  # noqa: ANN401 - as the SDK's
        """Get an object or a range of it. The body has yet to be read."""
        result = await self._try("GET", params, self._get_headers, stream=True)
        if not _is_success(result):
            return await self._by_sdk(self._client.get_object, params, result)
        http: Any = SimpleNamespace(raw=result)  # the types of the SDK are those of botocore
        body = StreamingBody(http.raw, http.raw.headers.get("content-length"))
        response = {"headers": result.headers, "context": {}, "body": body}
        context = self._get_context["context"]
        await handle_checksum_body(http, response, context, self._get_model)
        return _fields(result.headers) | {"Body": response["body"]}

    async def head_object(self, **params: Any) -> Any:  # noqa: ANN401 - as the SDK's
        """Get what S3 says of an object."""
        result = await self._try("HEAD", params, {})
        if not _is_success(result):
            return await self._by_sdk(self._client.head_object, params, result)
        return _fields(result.headers)

    async def put_object(self, **params: Any) -> Any:  # noqa: ANN401 - as the SDK's
        """Put an object."""
        body, metadata = params["Body"], params["Metadata"]
        result = None
        # The SDK refuses metadata that is not ASCII.
        if len(body) <= MAX_BODY_BYTES and all(map(str.isascii, metadata.values())):
            headers = {METADATA_PREFIX + name: value for name, value in metadata.items()}
            if self._sends_checksum:
                headers |= _checksum(body)
            result = await self._try("PUT", params, headers, body)
        # S3 may answer with a success and write an error into the body.
        if not _is_success(result) or await result.read():
            return await self._by_sdk(self._client.put_object, params, result)
        return {}

    async def _try(
        self,
        method: str,
        params: Params,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        stream: bool = False,
    ) -> Result | None:
        """Make a call and return its result; None if the bucket's address is not known yet."""
        address = self._addresses.get(params["Bucket"])
        if address is None or not params["Key"]:
            return None
        key = _quoted(params["Key"])
        query = f"versionId={quote(params['VersionId'], safe='')}" if "VersionId" in params else ""
        given = {header: params[name] for name, header in HEADERS.items() if name in params}
        headers = signed(
            method,
            address.path + key,
            query,
            {"host": address.host, **given, **headers},
            body,
            region=address.region,
            credentials=await self._credentials.get_frozen_credentials(),
            now=datetime.now(UTC),
        )
        headers |= {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        url = f"{address.url}{key}?{query}" if query else address.url + key
        try:
            response = await address.session.request(
                method,
                url=URL(url, encoded=True),
                headers=headers,
                data=body or None,
                **address.proxy,
            )
            if not stream:
                await response.read()
        except Exception as error:  # noqa: BLE001 - the SDK decides what each of them means
            return error
        return response

    async def _by_sdk(
        self, call: Callable[..., Awaitable[Any]], params: Params, result: Result | None
    ) -> Any:  # noqa: ANN401 - as the SDK's
        """Let the SDK make a call; keep the address that it used, or forget the one in use."""
        with watched(result) as sdk_call:
            try:
                return await call(**params)
            finally:
                address = _address(sdk_call.requests, params["Key"])
                if address is None:
                    self._addresses.pop(params["Bucket"], None)
                else:
                    self._addresses[params["Bucket"]] = address


def _is_success(result: Result | None) -> TypeGuard[ClientResponse]:
    if result is None or isinstance(result, Exception):
        return False
    return result.status < LOWEST_FAILURE


def _address(requests: Sequence[SentRequest], key: str) -> _Address | None:
    """Return the address of a bucket from the SDK's requests for a key.

    None if there were several requests, as the bucket may be elsewhere for a while; and if the
    signature is of a kind that only the SDK can make.
    """
    if len(requests) != 1:
        return None
    (request,) = requests
    whole = request.url.partition("?")[0]
    url = whole.removesuffix(_quoted(key))
    found = _AUTHORIZATION.match(request.options["headers"].get("authorization", ""))
    if found is None or url == whole:
        return None
    parts = urlsplit(url)
    proxy = {name: request.options[name] for name in ("proxy", "proxy_headers")}
    return _Address(url, parts.netloc, parts.path, found["region"], request.session, proxy)


def _quoted(key: str) -> str:
    return quote(key, safe="/~")


def _checksum(body: bytes) -> dict[str, str]:
    """Return the headers with which S3 checks the body, and keeps its checksum."""
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
    return {"x-amz-checksum-crc32": checksum, "x-amz-sdk-checksum-algorithm": "CRC32"}


def _fields(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the SDK's responses to GET and HEAD."""
    return {
        "ETag": headers["etag"],
        "ContentLength": int(headers["content-length"]),
        "VersionId": headers.get("x-amz-version-id"),
        "ContentEncoding": headers.get("content-encoding"),
        "Metadata": {
            lower.removeprefix(METADATA_PREFIX): value
            for lower, value in ((name.lower(), value) for name, value in headers.items())
            if lower.startswith(METADATA_PREFIX)
        },
    }

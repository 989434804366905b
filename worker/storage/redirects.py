"""Redirects of S3: the bucket is in another region, or for a while at another address.

botocore's own handler follows one redirect for each call. It takes the region that S3 names, finds
the host of that region in its own table, signs for the region, sends the whole body again, and
remembers the region of the bucket. This module adds what that handler lacks: a bucket's region is
asked for once, however many calls need it; a Location on the same host is followed; and the error
of a redirect that is not followed names the bucket and the regions.

No answer can send a request, with its body, to a host of the answer's choice. A region is only a
name, and botocore's table has its host. A Location counts only if its host name is the one in use,
and never leads from https to http. Its port may differ, as a certificate is for a name, not a port.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from botocore.exceptions import ClientError

REGION_HEADER = "x-amz-bucket-region"
REGION = re.compile(r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*")  # it becomes a part of a host name
REDIRECTS = frozenset({301, 302, 307, 308})
AT_ONCE = 0  # botocore sends the request again after so many seconds


def follow_redirects(client: Any) -> None:  # noqa: ANN401 - botocore makes the client's type
    """Let a client of S3 follow redirects, one for each call."""
    client.meta.events.register_first("needs-retry.s3", _Redirects(client).follow)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer of S3. Its error and its headers are what botocore's own handlers read next."""

    status: int
    error: dict[str, Any]
    headers: dict[str, str]

    @property
    def region(self) -> str | None:
        """The region in which the bucket is, if the answer names one."""
        named = self.headers.get(REGION_HEADER) or self.error.get("Region") or ""
        return named if REGION.fullmatch(named) else None

    def redirects(self, signed_for: str) -> bool:
        """Return whether the call belongs elsewhere than where it was sent."""
        if self.error.get("Code") == "IllegalLocationConstraintException":
            return True
        # A signature for another region than the bucket's is refused like this.
        elsewhere = self.status == HTTPStatus.BAD_REQUEST and self.region not in {None, signed_for}
        return elsewhere or self.status in REDIRECTS


class _Redirects:
    """Handles redirects before botocore's own handler does."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - as above
        self._client = client
        self._regions: dict[str, str | None] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def follow(
        self,
        request_dict: dict[str, Any],
        response: tuple[Any, dict[str, Any]] | None,
        operation: Any,  # noqa: ANN401 - botocore's
        **_: object,
    ) -> int | None:
        """Return AT_ONCE to have the request sent again, or None to leave that to botocore."""
        if response is None:  # the connection failed
            return None
        context = request_dict["context"]
        state = context["s3_redirect"]  # of botocore's handler
        answer = _answer(response)
        signed_for = context.get("signing", {}).get("region") or context["client_region"]
        bucket = state["bucket"] or "arn:"
        if bucket.startswith("arn:") or not answer.redirects(signed_for):
            return None  # the ARN of an access point names its region
        # If the redirect is followed, nobody sees the answer's error.
        answer.error["Message"] = _explanation(request_dict, answer, signed_for)
        if state["redirected"]:
            return None
        if address := _address(request_dict["url"], answer.headers.get("location")):
            request_dict["url"] = address
            region = answer.region or signed_for
            context["signing"] = {**context.get("signing", {}), "region": region}
            state["redirected"] = True
            return AT_ONCE
        if answer.region is None:
            # To ask for the region while asking for the region would never end.
            asks = operation.name != "HeadBucket"
            region = await self._region_of(bucket, signed_for) if asks else None
            _name_region(answer, region)
            state["redirected"] = region is None  # botocore's handler would ask again
        return None

    async def _region_of(self, bucket: str, wrong: str) -> str | None:
        """Return a bucket's region; S3 is asked if it is unknown, or known and found wrong."""
        async with self._asking[bucket]:
            if self._regions.get(bucket) in {None, wrong}:
                self._regions[bucket] = await self._ask(bucket)
            return self._regions[bucket]

    async def _ask(self, bucket: str) -> str | None:
        try:
            parsed = await self._client.head_bucket(Bucket=bucket)
        except ClientError as error:  # S3 names the region also to those whom it denies the rest
            parsed = error.response
        return _Answer(HTTPStatus.OK, {}, parsed["ResponseMetadata"]["HTTPHeaders"]).region


def _answer(response: tuple[Any, dict[str, Any]]) -> _Answer:
    http, parsed = response
    headers = parsed.get("ResponseMetadata", {}).setdefault("HTTPHeaders", {})
    return _Answer(http.status_code, parsed.setdefault("Error", {}), headers)


def _name_region(answer: _Answer, region: str | None) -> None:
    """Put a region, or none, where botocore's handler reads it."""
    answer.error.pop("Region", None)
    answer.headers.pop(REGION_HEADER, None)
    if region is not None:
        answer.headers[REGION_HEADER] = region


def _address(url: str, location: str | None) -> str | None:
    """Return the URL at a Location's address, or None if the Location must not be followed."""
    if (new := _split(location)) is None:
        return None
    old = urlsplit(url)
    here = (old.scheme, old.netloc)
    there = (new.scheme, new.netloc.rpartition("@")[2])
    if new.hostname != old.hostname or new.scheme not in {old.scheme, "https"} or there == here:
        return None
    return old._replace(scheme=there[0], netloc=there[1]).geturl()


def _split(location: str | None) -> SplitResult | None:
    try:
        return None if location is None else urlsplit(location)
    except ValueError:
        return None


def _explanation(request: Mapping[str, Any], answer: _Answer, signed_for: str) -> str:
    """Say where the request went, and where S3 sends it."""
    context = request["context"]
    tried = " and then ".join(dict.fromkeys([context["client_region"], signed_for]))
    if answer.region is not None:
        target = f"the region {answer.region}"
    elif (location := _split(answer.headers.get("location"))) is not None:
        target = f"{location.scheme}://{location.netloc}, which is not followed"
    else:
        target = "another region, which it does not name"
    return (
        f"the bucket {context['s3_redirect']['bucket']} was looked for in the region {tried}, at "
        f"{urlsplit(request['url']).netloc}, and S3 redirects to {target}"
    )

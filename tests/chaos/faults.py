"""What a bad network does to an exchange of HTTP, drawn by chance.

A byte that is corrupted on the way breaks a connection of TLS. The corruption here is harder, as
a faulty server makes it. It is one that HTTP, JSON, XML or S3's checksum can tell: in the answer's
first line, in its length, or in a run of its body that a zero byte begins. Another header, or a
body that parses and says something else (a receive count, an ETag), is beyond what a client can
tell.
"""

import re
from random import Random

from tests.support.s3_refusals import REGION_HEADER, refusal, target_of

ROUGHNESS = 0.15  # the share of the exchanges that get a fault
FAULTS = {
    "delay": 6,
    "answer cut": 4,
    "corruption": 4,
    "unavailable": 3,
    "request cut": 2,
    "silence": 3,
    "redirect": 4,
}
DELAYS_SECONDS = (0.05, 0.3, 1.0, 3.0)  # the last is longer than a heartbeat
SILENCE_SECONDS = (1.0, 12.0)  # at its longest, longer than a call to SQS waits

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
THROTTLED = b'{"__type": "com.amazonaws.sqs#RequestThrottled", "message": "as ordered"}'
REGIONS = ("eu-west-1", "eu-central-1", "us-west-2")  # some of them right, some wrong
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>as ordered</Message></Error>"


def draw(random: Random) -> str | None:
    """Draw the fault of an exchange; most have none."""
    if random.random() >= ROUGHNESS:
        return None
    (fault,) = random.choices(list(FAULTS), list(FAULTS.values()))
    return fault


def unavailable(request: bytes) -> bytes:
    """Answer as SQS or S3 does when it is overloaded."""
    body = THROTTLED if b"x-amz-target" in request.lower() else SLOW_DOWN
    if request.startswith(b"HEAD"):
        body = b""
    return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def is_for_s3(request: bytes) -> bool:
    """Return whether a request is for S3; the others are for SQS."""
    return b"x-amz-target" not in request.lower()


def redirect(request: bytes, other_url: str, random: Random) -> bytes:
    """Answer as S3 does for a new bucket (307), or for one in another region (301)."""
    if random.random() < 0.5:
        there = {"Location": other_url + target_of(request)}
        return refusal(request, 307, "TemporaryRedirect", headers=there)
    named = random.random() < 0.7
    region = {REGION_HEADER: random.choice(REGIONS)} if named else {}
    return refusal(request, 301, "PermanentRedirect", headers=region)


def corrupted(head: bytes, body: bytes, random: Random) -> bytes:
    """Overwrite a run of an answer, in its first line, its length or its body, with garbage."""
    spans = [(len("HTTP/"), len("HTTP/1.1 200"))]
    if length := LENGTH.search(head):
        spans.append(length.span(1))
    if body:
        spans += 2 * [(len(head), len(head) + len(body))]
    start, end = random.choice(spans)
    first = random.randrange(start, end)
    run = min(random.randint(1, 24), end - first)
    answer = bytearray(head + body)
    answer[first : first + run] = [0, *random.choices(range(0x80, 0x100), k=run - 1)]
    return bytes(answer)

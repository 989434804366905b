"""Every call that the worker makes to S3, SQS and EventBridge, by the names of the methods."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from worker.aws.call_limits import CALL_SECONDS, SLOWEST_BYTES_PER_SECOND
from worker.events.bus import Event, EventBus
from worker.job import S3Uri
from worker.queue.sqs import SqsQueue
from worker.storage.s3 import S3Storage

URI = S3Uri("bucket", "dir/a.csv")
BODY = bytes(8 << 20)  # more than the buffers of a connection hold
WAIT_SECONDS = 20

Call = Callable[[S3Storage, SqsQueue, EventBus], Awaitable[object]]

CALLS: Mapping[str, Call] = {
    "get": lambda s3, *_: s3.get(URI, version_id=None, etag=None, max_bytes=len(BODY)),
    "read": lambda s3, *_: s3.read(URI, 0, len(BODY), version_id=None, etag="e"),
    "download": lambda s3, *_: s3.download(URI, Path("/dev/null"), version_id=None),
    "head": lambda s3, *_: s3.head(URI),
    "put": lambda s3, *_: s3.put(URI, BODY, metadata={}, content_type="text/csv", replacing=None),
    "begin": lambda s3, *_: s3.begin(URI, metadata={}, content_type="text/csv"),
    "put_part": lambda s3, *_: s3.put_part(URI, "upload", 1, BODY),
    "complete": lambda s3, *_: s3.complete(URI, "upload", ["e"], replacing=None),
    "abort": lambda s3, *_: s3.abort(URI, "upload"),
    "read_attributes": lambda _, sqs, __: sqs.read_attributes(),
    "receive": lambda _, sqs, __: sqs.receive(10, WAIT_SECONDS),
    "delete": lambda _, sqs, __: sqs.delete(["handle"]),
    "change_visibility": lambda _, sqs, __: sqs.change_visibility([("handle", 30)]),
    "send_to_dead_letters": lambda _, sqs, __: sqs.send_to_dead_letters("body", {"error": "bad"}),
    "put_events": lambda _, __, bus: bus.put_events([Event("File Predicted", "{}")]),
}


def longest(call: str) -> float:
    """Return the seconds that one of these calls may take."""
    body = len(BODY) if call in ("get", "read", "put", "put_part") else 0
    wait = WAIT_SECONDS if call == "receive" else 0
    return CALL_SECONDS[call] + body / SLOWEST_BYTES_PER_SECOND + wait


def methods() -> Iterator[str]:
    """Yield the name of every call that the storage, the queue and the bus offer."""
    for owner in (S3Storage, SqsQueue, EventBus):
        for name, method in vars(owner).items():
            if inspect.iscoroutinefunction(method) and not name.startswith("_"):
                yield name

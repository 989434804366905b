"""The time limits of all calls to AWS, in one table.

The SDK's own timeouts do not cover a whole call: its read timeout begins only when the request has
been sent, so that a server which accepts a request and does not read it holds the call for ever.
A limit of this table covers everything: connecting, sending, `100 Continue`, the answer with its
body, and all tries of the SDK and of the worker, with the pauses between them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from worker.aws.errors import map_errors

# The SDK's own tries, and how long each of them waits for the next bytes of an answer. CALL_SECONDS
# leave time for all tries at a server that is silent.
S3_ATTEMPTS, S3_READ_SECONDS = 3, 30.0
SQS_ATTEMPTS, SQS_READ_SECONDS = 3, 10.0
EVENTS_ATTEMPTS, EVENTS_READ_SECONDS = 2, 5.0  # the sender tries again itself
RECEIVE_ATTEMPTS, RECEIVE_READ_SECONDS = 1, 10.0  # and the seconds of the long poll

# A tenth of what one of sixteen jobs gets of a link of 100 Mbit/s: a full link is not a dead one.
SLOWEST_BYTES_PER_SECOND = 64 << 10

# In seconds, by the methods of S3Storage, SqsQueue and EventBus. A call that sends
# or reads a body gets one second more for each SLOWEST_BYTES_PER_SECOND of it, and a receive the
# seconds of its long poll.
CALL_SECONDS: Mapping[str, float] = {
    "get": 120,
    "read": 120,
    "head": 120,
    "put": 120,
    "begin": 120,
    "put_part": 120,
    "complete": 300,  # S3 may take minutes to join the parts, and sends spaces meanwhile
    "abort": 120,
    "download": 600,  # a model of any size: as long as the whole start may take
    "read_attributes": 50,  # each of the three calls that this takes
    "receive": 50,
    "delete": 50,
    "change_visibility": 50,
    "send_to_dead_letters": 50,
    "put_events": 25,
}


@asynccontextmanager
async def limited(
    call: str, doing: str, *, size: int = 0, wait_seconds: float = 0
) -> AsyncIterator[None]:
    """Run a call under its time limit, and map its errors as `map_errors` does.

    `size` is the number of bytes to be sent or read, `wait_seconds` how long the service itself
    waits before it answers.
    """
    seconds = CALL_SECONDS[call] + size / SLOWEST_BYTES_PER_SECOND + wait_seconds
    limit = asyncio.timeout(seconds)
    with map_errors(doing):
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(f"{call} took longer than {seconds:.0f} s") from error

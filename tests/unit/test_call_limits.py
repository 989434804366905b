"""The time limits of calls to AWS: none is missing, and each ends its call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.aws_calls import CALLS, longest, methods
from worker.aws.call_limits import (
    CALL_SECONDS,
    EVENTS_ATTEMPTS,
    EVENTS_READ_SECONDS,
    RECEIVE_ATTEMPTS,
    RECEIVE_READ_SECONDS,
    S3_ATTEMPTS,
    S3_READ_SECONDS,
    SLOWEST_BYTES_PER_SECOND,
    SQS_ATTEMPTS,
    SQS_READ_SECONDS,
    limited,
)
from worker.aws.clients import client_config
from worker.clock import now
from worker.errors import NoSuchInput, TransientError
from worker.events.bus import EventBus
from worker.queue.sqs import SqsQueue
from worker.storage.s3 import S3Storage

PAUSE_SECONDS = (1, 2, 4)  # the SDK's longest pauses between its tries
QUEUE_CALLS = {name for name in vars(SqsQueue) if name in CALL_SECONDS}


class Silent:
    """A client whose every call is never answered."""

    def __getattr__(self, call: str) -> Callable[..., Awaitable[None]]:
        return self._for_ever

    async def _for_ever(self, **_: object) -> None:
        await asyncio.Event().wait()


def test_every_call_to_s3_sqs_and_eventbridge_has_a_limit_and_is_tested() -> None:
    assert set(methods()) == CALL_SECONDS.keys() == CALLS.keys()


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_never_ends_is_given_up_after_its_limit(call: str) -> None:
    silent: Any = Silent()
    queue = SqsQueue("jobs", silent, silent)
    queue._dead_letter_url = "https://sqs/jobs-dead"
    with pytest.raises(TransientError, match=f"{call} took longer than {longest(call):.0f} s"):
        await CALLS[call](S3Storage(silent), queue, EventBus("bus", silent))
    assert now() == pytest.approx(longest(call))


@pytest.mark.parametrize("call", CALLS)
def test_a_limit_leaves_time_for_all_tries_of_the_sdk_at_a_silent_server(call: str) -> None:
    attempts, read_seconds = S3_ATTEMPTS, S3_READ_SECONDS
    if call in QUEUE_CALLS:
        attempts, read_seconds = SQS_ATTEMPTS, SQS_READ_SECONDS
    if call == "put_events":
        attempts, read_seconds = EVENTS_ATTEMPTS, EVENTS_READ_SECONDS
    if call == "receive":
        attempts, read_seconds = RECEIVE_ATTEMPTS, RECEIVE_READ_SECONDS
    config: Any = client_config(connections=1, read_seconds=read_seconds, attempts=attempts)
    tries = attempts * (config.connect_timeout + config.read_timeout)
    assert CALL_SECONDS[call] >= tries + sum(PAUSE_SECONDS[: attempts - 1])


async def test_the_limit_grows_with_the_bytes_and_the_error_names_call_object_and_seconds() -> None:
    size = 100 * SLOWEST_BYTES_PER_SECOND
    with pytest.raises(TransientError, match=r"^writing s3://out/a: .*put took longer than 220 s"):
        async with limited("put", "writing s3://out/a", size=size):
            await asyncio.Event().wait()
    assert now() == pytest.approx(CALL_SECONDS["put"] + 100)


async def test_an_error_within_the_limit_is_not_taken_for_its_end() -> None:
    with pytest.raises(TransientError, match=r"^calling: TimeoutError: of the library$"):
        async with limited("put", "calling"):
            raise TimeoutError("of the library")
    with pytest.raises(NoSuchInput):
        async with limited("get", "calling"):
            raise NoSuchInput("s3://in/a does not exist")


async def test_a_call_that_is_cancelled_is_cancelled_and_not_late() -> None:
    async def call() -> None:
        async with limited("put", "calling"):
            await asyncio.Event().wait()

    calling = asyncio.create_task(call())
    await asyncio.sleep(1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling

"""The start of a worker on fakes: its time limit, and what the failure says."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from tests.support.fakes.bus import FakeBus
from tests.support.fakes.worker import Cloud, settings
from worker.aws.errors import map_errors
from worker.clock import now
from worker.errors import FatalError, ModelError, ProcessLost, TransientError
from worker.lifecycle.stop import Stop
from worker.service.model_fetch import ModelFile
from worker.service.run import run
from worker.service.start_limit import START_SECONDS
from worker.service.startup import Openers

MODEL = ModelFile(Path("m.pkl"), "0" * 64)


def opener(what: object, seconds: float = 0) -> Callable[..., Any]:
    """Return what opens that thing after so many seconds."""

    @asynccontextmanager
    async def opening(*_: object, **__: object) -> AsyncIterator[object]:
        await asyncio.sleep(seconds)
        yield what

    return opening


def openers(cloud: Cloud, slow: str = "", seconds: float = START_SECONDS + 1) -> Openers:
    """Return openers of the cloud's parts, of which the slow one takes that many seconds."""

    async def import_libraries() -> None:
        await asyncio.sleep(seconds if slow == "libraries" else 0)

    def part(name: str, what: object) -> Callable[..., Any]:
        return opener(what, seconds if slow == name else 0)

    return Openers(
        queue=part("queue", cloud.queue),
        storage=part("storage", cloud.storage),
        model=part("model", MODEL),
        libraries=import_libraries,
        pool=part("pool", cloud.pool),
    )


@pytest.mark.parametrize(
    ("slow", "awaited"),
    [
        ("queue", "AWS credentials"),
        ("storage", "AWS credentials"),
        ("model", "the model file m"),
        ("libraries", "the import of the libraries that the pool processes share"),
        ("pool", "the pool processes (3) to load the model m by WORKER_PREDICTOR (own:factory)"),
    ],
)
async def test_a_start_that_hangs_fails_after_ten_minutes_and_names_what_it_waited_for(
    slow: str, awaited: str
) -> None:
    cloud = Cloud()
    stop = Stop()
    chosen = settings(predict_processes=3, predictor="own:factory")
    with pytest.raises(FatalError) as error:
        await run(chosen, stop, openers(cloud, slow))
    assert str(error.value) == f"the start took longer than 600 s: it was waiting for {awaited}"
    assert now() == pytest.approx(600)
    assert stop.reason == f"failed: {error.value}"  # so that the watchdog limits the rest


async def test_a_queue_that_does_not_answer_is_named() -> None:
    cloud = Cloud()

    async def hang() -> None:
        await asyncio.Event().wait()

    cloud.queue.read_attributes = hang  # type: ignore[method-assign, assignment]
    with pytest.raises(FatalError, match="waiting for the attributes of the queue q"):
        await run(settings(), Stop(), openers(cloud))


async def test_a_slow_start_within_its_limit_is_followed_by_a_run_without_one() -> None:
    cloud = Cloud()
    cloud.submit("long.csv", b"2000")
    await run(settings(idle_seconds=60), Stop(), openers(cloud, "pool", START_SECONDS - 1))
    assert cloud.outputs() == {"p/long.csv": b"2000"}
    assert now() > START_SECONDS + 2000


async def test_a_stop_during_the_start_is_no_failure() -> None:
    stop = Stop()
    asyncio.get_running_loop().call_later(5, stop.request, "SIGTERM")
    await run(settings(), stop, openers(Cloud(), "pool"))
    assert now() == pytest.approx(5)
    assert stop.reason == "SIGTERM"


@pytest.mark.parametrize(("client", "direct"), [("direct", True), ("aioboto3", False)])
async def test_the_storage_is_opened_with_the_client_of_the_settings(
    client: str, *, direct: bool
) -> None:
    asked: dict[str, object] = {}

    def storage(**options: object) -> Any:  # noqa: ANN401 - a context manager that is not entered
        asked.update(options)
        raise ModelError("that is enough")

    with pytest.raises(ExceptionGroup):
        await run(settings(s3_client=client), Stop(), replace(openers(Cloud()), storage=storage))
    assert asked["direct"] is direct


async def test_an_error_of_the_start_is_not_taken_for_its_limit() -> None:
    def refuse(*_: object) -> object:
        raise ModelError("the model m is no model")

    parts = openers(Cloud())
    refusing = Openers(parts.queue, parts.storage, refuse, parts.libraries, parts.pool)  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as error:
        await run(settings(), Stop(), refusing)
    assert error.group_contains(ModelError, match="no model")


def failing(error: Exception) -> Callable[..., Any]:
    """Return what opens nothing, because a call to AWS fails by that error."""

    @asynccontextmanager
    async def opening(*_: object, **__: object) -> AsyncIterator[object]:
        with map_errors("calling"):
            raise error
        yield  # type: ignore[unreachable] # makes it a context manager

    return opening


async def test_a_start_without_a_route_to_aws_names_the_cause_and_the_next_step() -> None:
    error = ConnectTimeoutError(endpoint_url="https://sqs.eu-central-1.amazonaws.com/")
    unreachable = replace(openers(Cloud()), queue=failing(error))
    with pytest.raises(ExceptionGroup) as caught:
        await run(settings(), Stop(), unreachable)
    assert caught.group_contains(TransientError, match="Cause: no connection to sqs.*NAT gateway")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
async def test_a_disk_that_cannot_take_the_model_is_named_with_the_next_step(number: int) -> None:
    full = replace(openers(Cloud()), model=failing(OSError(number, os.strerror(number))))
    with pytest.raises(ExceptionGroup) as caught:
        await run(settings(), Stop(), full)
    words = f"{os.strerror(number)}. Cause: .*set TMPDIR"
    assert caught.group_contains(TransientError, match=words)


async def test_a_process_that_dies_while_it_loads_the_model_names_memory_and_setting() -> None:
    @asynccontextmanager
    async def killed(*_: object) -> AsyncIterator[object]:
        raise ProcessLost("a process was killed while it loaded the model") from EOFError()
        yield  # type: ignore[unreachable] # makes it a context manager

    parts = openers(Cloud())
    small = Openers(parts.queue, parts.storage, parts.model, parts.libraries, killed)  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as error:
        await run(settings(predict_processes=3), Stop(), small)
    words = "killed while it loaded the model. Cause: .* 3 processes.*WORKER_PREDICT_PROCESSES"
    assert error.group_contains(ModelError, match=words)


async def test_where_no_process_can_be_started_memory_and_limit_are_named() -> None:
    async def ended() -> None:
        raise ProcessLost("a process cannot be started: EOFError") from EOFError()

    @asynccontextmanager
    async def killed(*_: object) -> AsyncIterator[object]:
        raise ProcessLost("a process cannot be started: EOFError") from EOFError()
        yield  # type: ignore[unreachable] # makes it a context manager

    parts = openers(Cloud())
    dead = Openers(parts.queue, parts.storage, parts.model, ended, killed)  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as error:
        await run(settings(), Stop(), dead)
    assert error.group_contains(ModelError, match="has ended: the memory or the limit.*ulimit -u")


async def test_an_error_while_a_late_start_is_given_up_does_not_hide_what_it_waited_for() -> None:
    @asynccontextmanager
    async def fail_when_cancelled(*_: object) -> AsyncIterator[object]:
        try:
            await asyncio.sleep(START_SECONDS + 1)
        except asyncio.CancelledError:
            raise OSError("the process cannot be killed") from None
        yield None

    parts = openers(Cloud())
    failing = Openers(
        parts.queue,
        parts.storage,
        parts.model,
        parts.libraries,
        fail_when_cancelled,  # type: ignore[arg-type]
    )
    with pytest.raises(FatalError, match="waiting for the pool processes"):
        await run(settings(), Stop(), failing)


@pytest.mark.parametrize(("named", "opened"), [(None, []), ("default", ["default"])])
async def test_a_client_of_eventbridge_is_opened_only_for_a_bus_that_is_named(
    named: str | None, opened: list[str]
) -> None:
    found: list[str] = []

    @asynccontextmanager
    async def bus(name: str) -> AsyncIterator[FakeBus]:
        found.append(name)
        yield FakeBus()

    chosen = settings(idle_seconds=0, event_bus=named)
    await run(chosen, Stop(), replace(openers(Cloud()), bus=bus))
    assert found == opened

"""The start of a worker on fakes: its time limit, and what the failure says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.worker import Cloud, settings
from worker.clock import now
from worker.errors import FatalError, ModelError
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


async def test_an_error_of_the_start_is_not_taken_for_its_limit() -> None:
    def refuse(*_: object) -> object:
        raise ModelError("the model m is no model")

    parts = openers(Cloud())
    refusing = Openers(parts.queue, parts.storage, refuse, parts.libraries, parts.pool)  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as error:
        await run(settings(), Stop(), refusing)
    assert error.group_contains(ModelError, match="no model")


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

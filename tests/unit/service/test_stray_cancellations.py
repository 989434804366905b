"""Stray cancellations: a task is interrupted by a CancelledError that nobody requested.

A task group ignores a task that ends in this way: without supervision its loop would be gone.
"""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.bus import FakeBus
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import Cloud, body
from worker.errors import LoopFailed, StrayCancellation, Unparsable
from worker.lifecycle.stop import Stop
from worker.service.watchdog import Watchdog

WORKER = Path(__file__).parents[3] / "worker"
LOOPS = ["delete", "events", "heartbeat", "job timeout", "metrics", "poll", "processor", "stop"]
ELSEWHERE = {"watchdog"}  # has a test of its own, as `serve` does not start it
STARTS_A_LOOP = {"background", "supervise", "on_failure_of"}

MESSAGES = 12
MOMENTS = [0.005 * number for number in range(1, 30)] + [0.5, 0.7, 1.0, 2.0, 5.0, 11.0, 30.0]


def interrupt(task: "asyncio.Task[Any]") -> None:
    """Raise a CancelledError where the task waits, without a request to cancel the task."""
    waiter: asyncio.Future[object] | None = task._fut_waiter  # type: ignore[attr-defined]
    assert waiter is not None
    assert waiter.cancel(), "the task was about to run"


class Tasks:
    """The tasks of a worker, in the order of their creation."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []
        asyncio.get_running_loop().set_task_factory(self._create)

    def _create(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,  # noqa: ANN401 - the signature is that of a task factory
        **more: Any,  # noqa: ANN401
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **more)
        self._tasks.append(task)
        return task

    def waiting(self) -> "list[asyncio.Task[Any]]":
        """Return the tasks that wait for something that has not happened yet."""
        waiters = [(task, task._fut_waiter) for task in self._tasks]  # type: ignore[attr-defined]
        return [task for task, waiter in waiters if waiter is not None and not waiter.done()]

    def names(self) -> set[str]:
        """Return the names of the tasks that have not ended."""
        return {task.get_name() for task in self._tasks if not task.done()}


def leaves(error: BaseException | None) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error] if error is not None else []


async def end_of(worker: "asyncio.Task[Stop]", seconds: float) -> list[BaseException]:
    """Wait for the worker's end and return its errors; fails the test if the worker hangs."""
    await asyncio.wait([worker], timeout=seconds)
    assert worker.done(), "the worker hangs"
    return [asyncio.CancelledError()] if worker.cancelled() else leaves(worker.exception())


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_loop_that_is_interrupted_ends_the_worker_and_is_named(loop: str) -> None:
    tasks = Tasks()
    stop = Stop()
    worker = asyncio.create_task(Cloud(bus=FakeBus()).run_worker(stop, idle_seconds=-1))
    await asyncio.sleep(5.3)
    interrupt(next(task for task in tasks.waiting() if task.get_name() == loop))
    errors = await end_of(worker, 100)
    assert [str(error) for error in errors] == [
        f"the {loop} loop failed: StrayCancellation: interrupted, though nobody cancelled it"
    ]
    assert isinstance(errors[0], LoopFailed)
    assert stop.reason is not None
    assert stop.reason.startswith("failed")


async def test_the_tasks_of_an_idle_worker_are_the_loops_tested_here() -> None:
    tasks = Tasks()
    async with Cloud(bus=FakeBus()).running_worker(idle_seconds=-1):
        await asyncio.sleep(5.3)
        names = tasks.names()
    assert {name for name in names if not name.startswith("Task-")} == set(LOOPS)


def names_of_loops() -> Iterator[str]:
    """Yield the name of every loop that the worker's code starts under supervision."""
    for module in sorted(WORKER.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id=function) | ast.Attribute(attr=function),
                    args=[ast.Constant(value=str() as name), _],
                ) if function in STARTS_A_LOOP:
                    yield name


def test_every_supervised_loop_in_the_code_is_tested() -> None:
    assert set(names_of_loops()) == {*LOOPS} | ELSEWHERE


async def test_an_interrupted_watchdog_stops_the_worker() -> None:
    stop = Stop()
    ticks = asyncio.create_task(Watchdog(stop, 90).ticks())
    await asyncio.sleep(5.3)
    interrupt(ticks)
    with pytest.raises(LoopFailed, match="the watchdog loop failed: StrayCancellation"):
        await ticks
    assert str(stop.reason).startswith("failed: the watchdog loop failed")


async def test_an_interrupted_heartbeat_is_sent_again(logs: LogCapture) -> None:
    cloud = Cloud()
    cloud.submit("long.csv", b"1000")

    def interrupt_first(name: str, _: object) -> None:
        if name == "change_visibility" and len(cloud.queue.calls_to(name)) == 1:
            raise asyncio.CancelledError

    cloud.queue.before = interrupt_first
    await cloud.run_worker()
    events = [line["event"] for line in logs.entries]
    assert "heartbeat failed, retrying" in events
    assert "lease lost" not in events
    assert cloud.outputs() == {"p/long.csv": b"1000"}


def busy_cloud() -> Cloud:
    cloud = Cloud(queue=FakeQueue(max_receive_count=10), bus=FakeBus())
    cloud.submit("poison.csv", b"poison")
    for number in range(MESSAGES):
        cloud.submit(f"{number}.csv", [b"abc", b"1", b"40"][number % 3])
    cloud.pool.before = refuse_poison
    return cloud


def refuse_poison(content: bytes) -> None:
    if content == b"poison":
        raise Unparsable("poison")


async def play(moment: float, number: int) -> bool:
    """Interrupt one task of a busy worker; returns False if the worker has no such task.

    Nothing may hang, nothing may be lost, and another worker can finish the work.
    """
    tasks = Tasks()
    cloud = busy_cloud()
    worker = asyncio.create_task(
        cloud.run_worker(concurrency=4, consumers=1, idle_seconds=5, retry_seconds=1)
    )
    await asyncio.sleep(moment)
    found = tasks.waiting()[number : number + 1]
    for task in found:
        interrupt(task)
    for error in await end_of(worker, 1000):
        assert isinstance(error, LoopFailed | StrayCancellation | asyncio.CancelledError), error
    await cloud.run_worker(idle_seconds=60)
    expected = {*(f"p/{number}.csv" for number in range(MESSAGES)), "p/_failed/poison.csv.json"}
    assert cloud.outputs().keys() == expected
    assert {dead for dead, _ in cloud.queue.dead_letters} == {body("poison.csv")}
    assert not cloud.queue.messages
    assert len(cloud.pool.predicted) <= MESSAGES + 4  # those that were running, once more
    return bool(found)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_interruption_of_any_task_at_any_moment_loses_nothing(moment: float) -> None:
    number = 0
    while await play(moment, number):
        number += 1
    assert number > 5  # tasks were interrupted

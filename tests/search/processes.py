"""Simulated processes on one event loop: each can be suspended, resumed and killed."""

# ruff: noqa: ANN401 - the signatures are those of event loops
import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

from tests.support.fakes.clock import VirtualLoop
from worker.clock import now

PROCESS: ContextVar["Process | None"] = ContextVar("PROCESS", default=None)


class Process:
    """The callbacks and tasks of one context; deferred while the process is suspended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.suspended = False
        self.alive = True
        self.has_left = False  # ended by itself
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self.suspended_at = self.resumed_at = float("-inf")
        self.suspended_seconds = 0.0
        self.deferred: list[asyncio.Handle] = []
        self._left: list[asyncio.Task[Any]] = []

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The process's tasks that are not done."""
        return [task for task in asyncio.all_tasks() if _process_of(task) is self]

    def suspend(self) -> None:
        """Suspend it, as SIGSTOP does: its answers and timers wait."""
        self.suspended = True
        self.suspended_at = now()

    def resume(self, *, timers_first: bool) -> None:
        """Resume it: everything that became due meanwhile is due at once."""
        self.suspended = False
        waiting, self.deferred = self.deferred, []
        if timers_first:
            waiting.sort(key=lambda handle: not isinstance(handle, asyncio.TimerHandle))
        self.resumed_at = now()
        self.suspended_seconds += self.resumed_at - self.suspended_at
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FleetLoop)
        loop.run_again(waiting)

    def kill(self) -> None:
        """End it, as SIGKILL does: none of its callbacks runs any more."""
        self.alive = False
        self.suspended = True
        self._left = self.tasks  # the only reference to them, perhaps

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run its main task."""
        loop = asyncio.get_running_loop()
        return loop.create_task(coroutine, name="main", context=self.context)

    def call(self, callback: Callable[..., object], *arguments: object) -> None:
        """Run a callback in the process, as a signal does; later if it is suspended."""
        asyncio.get_running_loop().call_soon(callback, *arguments, context=self.context)

    def end_tasks(self) -> list[asyncio.Task[Any]]:
        """End a killed process's tasks, so that the loop can close; their calls fail."""
        left, self._left = self._left, []
        self.resume(timers_first=False)
        for task in left:
            task.cancel()
        return left


class FleetLoop(VirtualLoop):
    """A virtual-clock loop that knows the process of each callback and task."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks = itertools.count()
        self.set_task_factory(self._owned)

    def run(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined] # public in 3.12
        if process is not None and process.suspended:
            process.deferred.append(handle)
        else:
            handle._run()

    def _owned(self, _: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> "_Task":
        context = more.get("context")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        return _Task(next(self._tasks), process, coroutine, loop=self, **more)


class _Task(asyncio.Task[Any]):
    """A task whose hash is its number and not its address.

    A task group cancels its tasks in the order of a set, which must be the same in a replay.
    """

    def __init__(self, number: int, process: Process | None, coroutine: Any, **more: Any) -> None:
        self._number = number
        self.process = process
        more["name"] = more.get("name") or f"task {number}"
        super().__init__(coroutine, **more)

    def __hash__(self) -> int:
        return self._number


def _process_of(task: asyncio.Task[Any]) -> Process | None:
    return task.process if isinstance(task, _Task) else None

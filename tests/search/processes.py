"""Processes of a simulated fleet, on one loop: each can be frozen, thawed, and killed."""

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
    """All that runs in one context, and what was put off while it was frozen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.alive = True
        self.has_left = False  # of itself
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self.frozen_at = self.thawed_at = float("-inf")
        self.frozen_seconds = 0.0
        self.put_off: list[asyncio.Handle] = []
        self._left: list[asyncio.Task[Any]] = []

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Its tasks that are not done."""
        return [task for task in asyncio.all_tasks() if _process_of(task) is self]

    def freeze(self) -> None:
        """Stop it, as SIGSTOP does: answers and timers wait for it."""
        self.frozen = True
        self.frozen_at = now()

    def thaw(self, *, timers_first: bool) -> None:
        """Let it go on, with everything that became due meanwhile due at once."""
        self.frozen = False
        waiting, self.put_off = self.put_off, []
        if timers_first:
            waiting.sort(key=lambda handle: not isinstance(handle, asyncio.TimerHandle))
        self.thawed_at = now()
        self.frozen_seconds += self.thawed_at - self.frozen_at
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FleetLoop)
        loop.run_again(waiting)

    def kill(self) -> None:
        """End it, as SIGKILL does: nothing of it runs any more."""
        self.alive = False
        self.frozen = True
        self._left = self.tasks  # of which nothing else may be left to remind

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run its main task."""
        loop = asyncio.get_running_loop()
        return loop.create_task(coroutine, name="main", context=self.context)

    def call(self, callback: Callable[..., object], *arguments: object) -> None:
        """Have it run a callback, as a signal does: when it runs."""
        asyncio.get_running_loop().call_soon(callback, *arguments, context=self.context)

    def bury(self) -> list[asyncio.Task[Any]]:
        """Let a killed process's tasks end, so that the loop can close; its calls fail."""
        left, self._left = self._left, []
        self.thaw(timers_first=False)
        for task in left:
            task.cancel()
        return left


class FleetLoop(VirtualLoop):
    """A virtual loop that knows which process each callback and task belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks = itertools.count()
        self.set_task_factory(self._owned)

    def run(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined] # public in 3.12
        if process is not None and process.frozen:
            process.put_off.append(handle)
        else:
            handle._run()

    def _owned(self, _: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> "_Task":
        context = more.get("context")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        return _Task(next(self._tasks), process, coroutine, loop=self, **more)


class _Task(asyncio.Task[Any]):
    """A task of a process, whose place in a set depends on its number, not on its address.

    Sets of tasks are gone through when a task group is cancelled: a replay must do it likewise.
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

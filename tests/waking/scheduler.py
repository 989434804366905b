"""A scheduler on virtual time; each invocation is a greenlet, which waits inside its calls."""

import heapq
import itertools
from collections.abc import Callable
from functools import partial

from greenlet import getcurrent, greenlet

START = 1_800_000_000.0  # the beginning of a minute


class Ended(BaseException):
    """Lambda ended the invocation."""


class Scheduler:
    """What is due and when, the running invocations, and the story so far."""

    def __init__(self) -> None:
        self.now = START
        self.current: Invocation | None = None
        self.running: dict[str, Invocation] = {}
        self.story: list[str] = []
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        # Actions due at the same time run in the order of their requests.
        self._numbers = itertools.count()

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Run an action at a time."""
        heapq.heappush(self._due, (max(when, self.now), next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Run an action in that many seconds."""
        self.at(self.now + seconds, act)

    def sleep(self, seconds: float) -> None:
        """Let the running invocation wait, while others run."""
        assert self.current is not None
        self.after(seconds, self.current.go_on)
        self.current.wait()

    def note(self, who: str, what: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.now - START:10.3f}  {who:12}  {what}")

    def run(self, until: float, is_over: Callable[[], bool]) -> None:
        """Let time pass until then, or until `is_over`."""
        while self._due and self._due[0][0] <= until and not is_over():
            self.now, _, act = heapq.heappop(self._due)
            act()
        for invocation in list(self.running.values()):
            invocation.end()


class Invocation:
    """One invocation of the function, which hands over to the scheduler wherever it waits."""

    def __init__(
        self, scheduler: Scheduler, name: str, kind: str, body: Callable[[], None]
    ) -> None:
        self.name, self.kind, self.began = name, kind, scheduler.now
        self.calls: list[str] = []
        self.starts = 0
        # When ListTasks answered, and RunTask was called.
        self.listed_at = self.filled_at = scheduler.now
        self.wanted = 0
        self._scheduler = scheduler
        self._parent = getcurrent()
        self._greenlet = greenlet(body, self._parent)

    def begin(self) -> None:
        """Run until the first wait."""
        self._scheduler.running[self.name] = self
        self.go_on()

    def go_on(self) -> None:
        """Run until the next wait or the end; an unexpected error is raised here."""
        if self.name in self._scheduler.running:
            self._run(self._greenlet.switch)

    def wait(self) -> None:
        """Give the turn back and wait for the next one, inside the invocation."""
        self._parent.switch()

    def end(self) -> None:
        """End it, if it still runs."""
        if self.name in self._scheduler.running:
            self._run(partial(self._greenlet.throw, Ended))

    def _run(self, resume: Callable[[], object]) -> None:
        self._scheduler.current = self
        try:
            resume()
        finally:
            self._scheduler.current = None
            if self._greenlet.dead:
                del self._scheduler.running[self.name]

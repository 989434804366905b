"""Virtual time, and invocations in threads of which exactly one runs: each waits for its turn."""

import heapq
import itertools
import threading
from collections.abc import Callable

START = 1_800_000_000.0  # the beginning of a minute


class Ended(BaseException):
    """Lambda ended the invocation, wherever it was."""


class Stage:
    """What is due and when, who runs, and what happened so far."""

    def __init__(self) -> None:
        self.now = START
        self.current: Invocation | None = None
        self.running: dict[str, Invocation] = {}
        self.story: list[str] = []
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()  # what is due at one moment happens in its order

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._due, (max(when, self.now), next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something happen in some seconds."""
        self.at(self.now + seconds, act)

    def sleep(self, seconds: float) -> None:
        """Let the invocation that runs wait, and others run meanwhile."""
        assert self.current is not None
        self.after(seconds, self.current.go_on)
        self.current.wait()

    def tell(self, who: str, what: str) -> None:
        """Note a line of the story."""
        self.story.append(f"{self.now - START:10.3f}  {who:12}  {what}")

    def run(self, until: float, is_over: Callable[[], bool]) -> None:
        """Let time pass until all is over, or the time is."""
        while self._due and self._due[0][0] <= until and not is_over():
            self.now, _, act = heapq.heappop(self._due)
            act()
        for invocation in list(self.running.values()):
            invocation.end()


class Invocation:
    """One run of the function, in a thread that runs only while it has the turn."""

    def __init__(self, stage: Stage, name: str, kind: str, body: Callable[[], None]) -> None:
        self.name, self.kind, self.began = name, kind, stage.now
        self.calls: list[str] = []
        self.starts = 0
        self.listed_at = self.filled_at = (
            stage.now
        )  # when ListTasks answered, and RunTask was asked
        self.wanted = 0
        self._stage, self._body = stage, body
        self._turn, self._back = threading.Lock(), threading.Lock()  # each held until it is given
        self._turn.acquire()
        self._back.acquire()
        self._ended = False
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Run until the first wait."""
        self._stage.running[self.name] = self
        threading.Thread(target=self._run, daemon=True).start()
        self.go_on()

    def go_on(self) -> None:
        """Run until the next wait, or the end; what was not foreseen is raised here."""
        if self.name not in self._stage.running:
            return
        self._stage.current = self
        self._turn.release()
        self._back.acquire()
        self._stage.current = None
        if self._error:
            raise self._error

    def wait(self) -> None:
        """Give the turn back, in the invocation's own thread, until it comes again."""
        self._back.release()
        self._turn.acquire()
        if self._ended:
            raise Ended

    def end(self) -> None:
        """Let it come to nothing, if it still runs."""
        self._ended = True
        self.go_on()

    def _run(self) -> None:
        self._turn.acquire()
        try:
            self._body()
        except BaseException as error:  # noqa: BLE001 - raised again by go_on, in the main thread
            self._error = error
        del self._stage.running[self.name]
        self._back.release()

"""Workers as the fleet sees them: they start late, poll, idle out, crash, and are taken away."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.waking.books import Books
from tests.waking.cluster import Cluster, Task
from tests.waking.jobs import Message, Queue
from tests.waking.plan import DRAIN_SECONDS, EXIT_SECONDS, Moment, Plan
from tests.waking.stage import START, Stage

KILLED = 137


@dataclass(eq=False)
class Worker:
    """One worker's life, from its first poll on."""

    task: Task
    crew: "Crew"
    hand: list[Message] = field(default_factory=list)
    is_polling: bool = False
    is_over: bool = False
    rounds: int = 0  # of idleness: each message that comes begins another

    def start(self) -> None:
        """Poll for the first time."""
        self.is_polling = True
        self.crew.books.polling.add(self.task.name)
        self.crew.books.observe()
        self._go_on()

    def poll(self) -> None:
        """Take what there is for the free slots."""
        if not self.is_polling:
            return
        crew = self.crew
        for message in crew.queue.receive(crew.plan.slots - len(self.hand)):
            self.rounds += 1
            self.hand.append(message)
            seconds = crew.draw.uniform(0, crew.plan.job_seconds)
            crew.stage.after(seconds, partial(self._finish, message))

    def _finish(self, message: Message) -> None:
        if self.is_over or message not in self.hand:
            return
        self.hand.remove(message)
        crew = self.crew
        if crew.is_troubled() and crew.draw.random() < crew.plan.retried:
            seconds = crew.draw.uniform(0, crew.plan.backoff_seconds)
            crew.stage.after(seconds, lambda: crew.queue.show(message))
        else:
            crew.queue.delete(message)
        self._go_on()

    def _go_on(self) -> None:
        """Poll, and leave when nothing comes for long."""
        self.poll()
        if not self.hand:
            seconds = self.crew.plan.idle_seconds
            self.crew.stage.after(seconds, partial(self._idle, self.rounds))

    def _idle(self, idle_round: int) -> None:
        if self.is_polling and idle_round == self.rounds and not self.hand:
            self._stop_polling()
            self.crew.happened("leaves")
            seconds = self.crew.draw.uniform(*EXIT_SECONDS)
            self.crew.stage.after(seconds, lambda: self._exit(0, "EssentialContainerExited"))

    def kill(self) -> None:
        """End it as SIGKILL does: what it held stays invisible until its timeout."""
        if self.is_over:
            return
        self._stop_polling()
        self._abandon()
        self._exit(KILLED, "EssentialContainerExited")

    def reclaim(self) -> None:
        """Take its capacity back: it drains for as long as it may, or is killed over it."""
        if self.is_over or not self.is_polling:
            return
        self._stop_polling()
        self.crew.cluster.change(self.task, desiredStatus="STOPPED")
        stop_code = self.crew.draw.choice(("SpotInterruption", "TerminationNotice"))
        self.crew.stage.after(DRAIN_SECONDS, lambda: self._drained(stop_code))

    def _drained(self, stop_code: str) -> None:
        is_killed = not self.crew.plan.peaceful and self.crew.draw.random() < 0.2
        if is_killed:
            self._abandon()
        for message in self.hand:
            self.crew.queue.show(message)
        self.hand = []
        self._exit(KILLED if is_killed else 0, stop_code)

    def _abandon(self) -> None:
        for message in self.hand:
            seconds = self.crew.plan.visibility_seconds
            self.crew.stage.after(seconds, partial(self.crew.queue.show, message))
        self.hand = []

    def _stop_polling(self) -> None:
        self.is_polling = False
        self.crew.books.polling.discard(self.task.name)
        self.crew.books.observe()

    def _exit(self, code: int, stop_code: str) -> None:
        if not self.is_over:
            self.is_over = True
            self.crew.cluster.exited(self.task, code, stop_code)


@dataclass
class Crew:
    """All workers there are."""

    stage: Stage
    plan: Plan
    cluster: Cluster
    queue: Queue
    books: Books
    draw: random.Random
    happened: Callable[[Moment], None]
    workers: list[Worker] = field(default_factory=list)

    def launch(self, task: Task) -> None:
        """Have a task start, or fail to."""
        self.stage.after(self.draw.uniform(*self.plan.launch_seconds), lambda: self._launched(task))

    def wake(self) -> None:
        """Let those that wait for messages have them."""
        for worker in self.workers:
            if worker.is_polling:
                self.stage.after(self.draw.uniform(0, 0.1), worker.poll)

    def is_troubled(self) -> bool:
        """Tell whether anything goes wrong yet."""
        return self.stage.now - START < self.plan.calm_at

    def _launched(self, task: Task) -> None:
        at = self.stage.now - START
        broken = {window.what for window in self.plan.crashes if window.holds(at)}
        if broken:
            self.books.hindered(f"{task.name[-8:]} {broken}")
        if "bad image" in broken:
            self.cluster.exited(task, None, "TaskFailedToStart")
            return
        self.cluster.change(task, lastStatus="RUNNING")
        if "crash at start" in broken:
            self.cluster.exited(task, 1, "EssentialContainerExited")
            return
        worker = Worker(task, self)
        self.workers.append(worker)
        worker.start()
        if self.is_troubled():
            self._doom(worker)

    def _doom(self, worker: Worker) -> None:
        for share, blow in ((self.plan.killed, worker.kill), (self.plan.reclaimed, worker.reclaim)):
            is_struck = self.draw.random() < share
            if is_struck and (blow == worker.kill or worker.task.capacity == "FARGATE_SPOT"):
                self.stage.after(self.draw.expovariate(1 / 60), blow)

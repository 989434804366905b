"""Simulated workers: they start late, poll, exit when idle, crash, and are reclaimed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.waking.cluster import Cluster, Task
from tests.waking.jobs import Message, Queue
from tests.waking.plan import DRAIN_SECONDS, EXIT_SECONDS, Moment, Plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Scheduler

KILLED = 137


@dataclass(eq=False)
class Worker:
    """One worker, from its first poll on."""

    task: Task
    fleet: "WorkerFleet"
    hand: list[Message] = field(default_factory=list)
    is_polling: bool = False
    is_over: bool = False
    rounds: int = 0  # of idleness: each message begins a new one

    def start(self) -> None:
        """Poll for the first time."""
        self.is_polling = True
        self.fleet.records.polling.add(self.task.name)
        self.fleet.records.observe()
        self._go_on()

    def poll(self) -> None:
        """Receive messages for the free slots."""
        if not self.is_polling:
            return
        fleet = self.fleet
        for message in fleet.queue.receive(fleet.plan.slots - len(self.hand)):
            self.rounds += 1
            self.hand.append(message)
            seconds = fleet.draw.uniform(0, fleet.plan.job_seconds)
            fleet.scheduler.after(seconds, partial(self._finish, message))

    def _finish(self, message: Message) -> None:
        if self.is_over or message not in self.hand:
            return
        self.hand.remove(message)
        fleet = self.fleet
        if fleet.has_faults() and fleet.draw.random() < fleet.plan.retried:
            seconds = fleet.draw.uniform(0, fleet.plan.backoff_seconds)
            fleet.scheduler.after(seconds, lambda: fleet.queue.show(message))
        else:
            fleet.queue.delete(message)
        self._go_on()

    def _go_on(self) -> None:
        """Poll, and exit after the idle time without a message."""
        self.poll()
        if not self.hand:
            seconds = self.fleet.plan.idle_seconds
            self.fleet.scheduler.after(seconds, partial(self._idle, self.rounds))

    def _idle(self, idle_round: int) -> None:
        if self.is_polling and idle_round == self.rounds and not self.hand:
            self._stop_polling()
            self.fleet.happened("leaves")
            seconds = self.fleet.draw.uniform(*EXIT_SECONDS)
            self.fleet.scheduler.after(seconds, lambda: self._exit(0, "EssentialContainerExited"))

    def kill(self) -> None:
        """End it as SIGKILL does: its messages stay invisible until their timeout."""
        if self.is_over:
            return
        self._stop_polling()
        self._abandon()
        self._exit(KILLED, "EssentialContainerExited")

    def reclaim(self) -> None:
        """Reclaim its Spot capacity: it drains, and may be killed at the deadline."""
        if self.is_over or not self.is_polling:
            return
        self._stop_polling()
        self.fleet.cluster.change(self.task, desiredStatus="STOPPED")
        stop_code = self.fleet.draw.choice(("SpotInterruption", "TerminationNotice"))
        self.fleet.scheduler.after(DRAIN_SECONDS, lambda: self._drained(stop_code))

    def _drained(self, stop_code: str) -> None:
        is_killed = not self.fleet.plan.faultless and self.fleet.draw.random() < 0.2
        if is_killed:
            self._abandon()
        for message in self.hand:
            self.fleet.queue.show(message)
        self.hand = []
        self._exit(KILLED if is_killed else 0, stop_code)

    def _abandon(self) -> None:
        for message in self.hand:
            seconds = self.fleet.plan.visibility_seconds
            self.fleet.scheduler.after(seconds, partial(self.fleet.queue.show, message))
        self.hand = []

    def _stop_polling(self) -> None:
        self.is_polling = False
        self.fleet.records.polling.discard(self.task.name)
        self.fleet.records.observe()

    def _exit(self, code: int, stop_code: str) -> None:
        if not self.is_over:
            self.is_over = True
            self.fleet.cluster.exited(self.task, code, stop_code)


@dataclass
class WorkerFleet:
    """All workers."""

    scheduler: Scheduler
    plan: Plan
    cluster: Cluster
    queue: Queue
    records: Records
    draw: random.Random
    happened: Callable[[Moment], None]
    workers: list[Worker] = field(default_factory=list)

    def start_task(self, task: Task) -> None:
        """Start a task, which may fail."""
        self.scheduler.after(
            self.draw.uniform(*self.plan.launch_seconds), lambda: self._launched(task)
        )

    def wake(self) -> None:
        """Let the polling workers receive."""
        for worker in self.workers:
            if worker.is_polling:
                self.scheduler.after(self.draw.uniform(0, 0.1), worker.poll)

    def has_faults(self) -> bool:
        """Return whether faults may still occur."""
        return self.scheduler.now - START < self.plan.calm_at

    def _launched(self, task: Task) -> None:
        at = self.scheduler.now - START
        broken = {window.what for window in self.plan.crashes if window.contains(at)}
        if broken:
            self.records.failed(f"{task.name[-8:]} {broken}")
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
        if self.has_faults():
            self._plan_end(worker)

    def _plan_end(self, worker: Worker) -> None:
        for share, end in ((self.plan.killed, worker.kill), (self.plan.reclaimed, worker.reclaim)):
            occurs = self.draw.random() < share
            if occurs and (end == worker.kill or worker.task.capacity == "FARGATE_SPOT"):
                self.scheduler.after(self.draw.expovariate(1 / 60), end)

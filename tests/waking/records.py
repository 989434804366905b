"""The records of a schedule: which workers polled, and how long messages had no worker."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.waking.plan import Plan
from tests.waking.scheduler import Scheduler

if TYPE_CHECKING:
    from tests.waking.cluster import Cluster
    from tests.waking.jobs import Queue


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which messages had no worker, and when the last failure before its end was."""

    since: float
    until: float
    failed_at: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.until - self.since

    @property
    def seconds_since_failure(self) -> float:
        """Its length from the last failure on."""
        return self.until - max(self.since, self.failed_at)


@dataclass
class Records:
    """The records, kept as things happen."""

    scheduler: Scheduler
    plan: Plan
    queue: "Queue" = field(init=False)
    cluster: "Cluster" = field(init=False)
    polling: set[str] = field(default_factory=set)
    uploaded: dict[str, float] = field(default_factory=dict)
    undispatched: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    waits: dict[str, float] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    largest_fleet: int = 0
    _waiting: set[str] = field(default_factory=set)
    _gap_since: float | None = None
    _failed_at: float = float("-inf")

    def sent(self, key: str) -> None:
        """Record that a file's message is in the queue."""
        if key not in self.waits:
            self._waiting.add(key)

    def failed(self, why: str) -> None:
        """Record a failure: P4 counts from the last one."""
        self.failures[why] += 1
        self._failed_at = self.scheduler.now
        self.scheduler.note("", f"hindered: {why}")

    def observe(self) -> None:
        """Record whether messages have a worker now."""
        now = self.scheduler.now
        if self.polling:
            for key in self._waiting:
                self.waits[key] = now - self.uploaded[key]
            self._waiting.clear()
        is_gap = bool(self.queue.messages) and not self.polling
        if is_gap and self._gap_since is None:
            self._gap_since = now
        elif not is_gap and self._gap_since is not None:
            self.gaps.append(Gap(self._gap_since, now, self._failed_at))
            self._gap_since = None

    def close(self) -> None:
        """Record the waits and gaps that last until the end."""
        for key in self._waiting:
            self.waits[key] = self.scheduler.now - self.uploaded[key]
        if self._gap_since is not None:
            last = Gap(self._gap_since, self.scheduler.now, self._failed_at)
            self.gaps.append(last)

    @property
    def live(self) -> int:
        """The number of tasks with the desired status RUNNING."""
        return sum(task.is_live for task in self.cluster.ours)

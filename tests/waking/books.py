"""What really happened: who polled, how long messages had nobody, and which tasks were started."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.waking.plan import Plan
from tests.waking.stage import Stage

if TYPE_CHECKING:
    from tests.waking.cluster import Cluster
    from tests.waking.jobs import Queue


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which messages had no worker, and when the last thing failed before its end."""

    since: float
    until: float
    hindered_at: float

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.until - self.since

    @property
    def unhindered_seconds(self) -> float:
        """How long that was, from the last thing that failed."""
        return self.until - max(self.since, self.hindered_at)


@dataclass
class Books:
    """Kept as things happen."""

    stage: Stage
    plan: Plan
    queue: "Queue" = field(init=False)
    cluster: "Cluster" = field(init=False)
    polling: set[str] = field(default_factory=set)
    landed: dict[str, float] = field(default_factory=dict)
    undispatched: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    waits: dict[str, float] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    hindrances: Counter[str] = field(default_factory=Counter)
    largest_fleet: int = 0
    _waiting: set[str] = field(default_factory=set)
    _alone_since: float | None = None
    _hindered_at: float = float("-inf")

    def sent(self, key: str) -> None:
        """Note that a file's message is in the queue."""
        if key not in self.waits:
            self._waiting.add(key)

    def hindered(self, why: str) -> None:
        """Note that something failed which P4 cannot be held against."""
        self.hindrances[why] += 1
        self._hindered_at = self.stage.now
        self.stage.tell("", f"hindered: {why}")

    def observe(self) -> None:
        """See whether messages have a worker now."""
        now = self.stage.now
        if self.polling:
            for key in self._waiting:
                self.waits[key] = now - self.landed[key]
            self._waiting.clear()
        is_alone = bool(self.queue.messages) and not self.polling
        if is_alone and self._alone_since is None:
            self._alone_since = now
        elif not is_alone and self._alone_since is not None:
            self.stretches.append(Stretch(self._alone_since, now, self._hindered_at))
            self._alone_since = None

    def close(self) -> None:
        """Count what lasts until the end."""
        for key in self._waiting:
            self.waits[key] = self.stage.now - self.landed[key]
        if self._alone_since is not None:
            last = Stretch(self._alone_since, self.stage.now, self._hindered_at)
            self.stretches.append(last)

    @property
    def live(self) -> int:
        """How many tasks are meant to run."""
        return sum(task.is_live for task in self.cluster.ours)

"""The promises, checked against the books: at each start, after each look, and at the end."""

import math
from dataclasses import dataclass, field

from tests.waking.books import Books
from tests.waking.cluster import KEPT_SECONDS, Cluster, Task
from tests.waking.jobs import Queue
from tests.waking.plan import Plan
from tests.waking.stage import START, Invocation, Stage

LOOK = ["ListTasks", "GetQueueAttributes"]


@dataclass(frozen=True, slots=True)
class Start:
    """One task's start: what its dispatcher had seen of others, and what its token stood for."""

    task: Task
    at: float
    listed: float  # tasks started since then may not have been seen
    counted: float  # messages that were there since then may have been counted
    token_of: tuple[int, str]  # the minute and the capacity

    def is_blind_to(self, other: "Start") -> bool:
        """Tell whether the other may have been started unseen, in slots that do not clash."""
        is_unseen = self.listed <= other.at <= self.at
        return is_unseen and other.token_of != self.token_of


@dataclass
class Checks:
    """Says which promise was broken, how and when."""

    stage: Stage
    plan: Plan
    books: Books
    cluster: Cluster = field(init=False)
    queue: Queue = field(init=False)
    broken: list[str] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    excess: int = 0

    def on_look(self, visible: int, in_flight: int) -> None:
        """Note what a look should make of the counts, if they do not lag."""
        invocation = self._invocation()
        is_anyone_alive = any(task.is_live for task in self.cluster.ours)
        backlog = visible + (in_flight if is_anyone_alive else 0)
        invocation.wanted = self._worth(backlog)

    def on_start(self, task: Task) -> None:
        """P6: no more tasks than are wanted, but for the minute's edge; one a sweep in a loop."""
        invocation = self._invocation()
        invocation.starts += 1
        listed = invocation.listed_at - self.plan.listing_lag
        counted = min(invocation.listed_at - self.plan.counts_lag, invocation.began)
        token_of = (int(invocation.filled_at // 60), task.capacity)
        self.starts.append(Start(task, self.stage.now, listed, counted, token_of))
        live = [start for start in self.starts if start.task.is_live]
        most, edge = self._most(live, listed), self._edge(live)
        self.stage.tell(invocation.name, f"starts {task.name[-8:]}, {len(live)} live of {most}")
        self.excess = max(self.excess, len(live) - self.plan.max_tasks)
        if len(live) > most * edge:
            self._break(f"P6: {invocation.name} starts a task, {len(live)} live of {most} wanted")
        if self._is_in_a_crash_loop(listed) and (
            invocation.kind != "sweep" or invocation.starts > 1
        ):
            self._break(f"P6: {invocation.name} starts a task in a crash loop")

    def _most(self, live: list[Start], listed: float) -> int:
        """Say how many tasks were worth it, to this dispatcher or to those it could not see."""
        counted = min(start.counted for start in live if start.at >= listed)
        return self._worth(self.queue.most(counted))

    def _edge(self, live: list[Start]) -> int:
        """Say how often each slot may be taken: once for each minute that did not see another."""
        pairs = [(one, other) for one in live for other in live if one.is_blind_to(other)]
        return max(1, len({start.token_of for pair in pairs for start in pair}))

    def _is_in_a_crash_loop(self, listed: float) -> bool:
        """Tell whether the newest end that whoever lists tasks then must know of was a bad one."""
        ends = [end for task in self.cluster.ours if (end := task.end)]
        known = [end for end in ends if end.told_at <= listed]
        newest = max(known, key=lambda end: end.at, default=None)
        if newest is None or newest.is_good or newest.at < self.stage.now - KEPT_SECONDS:
            return False
        return not any(end.is_good and end.at >= newest.at for end in ends)

    def on_end(self, invocation: Invocation) -> None:
        """P6, 5.5: a quiet system makes no calls but the sweep's; in peace a look starts enough."""
        if invocation.kind == "foreign" and invocation.calls:
            self._break(f"P6: {invocation.name} makes calls: {invocation.calls}")
        is_empty = not self.queue.most(invocation.listed_at - self.plan.counts_lag)
        if invocation.kind == "sweep" and is_empty and set(invocation.calls) - set(LOOK):
            self._break(f"P6: {invocation.name} of an empty queue makes {invocation.calls}")
        if self.plan.peaceful and not self.plan.listing_lag and not self.plan.counts_lag:
            seen = sum(task.was_live_after(invocation.began) for task in self.cluster.ours)
            if seen < invocation.wanted:
                self._break(f"5.5: {invocation.name} left {seen} of {invocation.wanted} tasks")

    def at_end(self) -> None:
        """P2, P4: every file was dispatched and done, and no message was alone for long."""
        for stretch in self.books.stretches:
            if stretch.unhindered_seconds > self.plan.bound:
                self._break(
                    f"P4: stranded for {stretch.seconds:.0f} s from {stretch.since - START}"
                )
            elif self.plan.peaceful and stretch.unhindered_seconds > self.plan.prompt_bound:
                since = stretch.since - START
                self._break(f"P4: no worker for {stretch.seconds:.0f} s of peace, from {since:.3f}")
        for key in self.books.landed.keys() - self.books.done - self.books.undispatched:
            self._break(f"P2: {key} was never done")

    def _worth(self, messages: int) -> int:
        return min(math.ceil(messages / self.plan.messages_per_task), self.plan.max_tasks)

    def _invocation(self) -> Invocation:
        assert self.stage.current is not None
        return self.stage.current

    def _break(self, what: str) -> None:
        self.broken.append(f"{self.stage.now - START:.3f} s: {what}")
        self.stage.tell("", f"BROKEN {what}")

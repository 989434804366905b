"""Checks the promises against the records: at each start, after each invocation, and at the end."""

import math
from dataclasses import dataclass, field

from tests.waking.cluster import KEPT_SECONDS, Cluster, Task
from tests.waking.jobs import Queue
from tests.waking.plan import Plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Invocation, Scheduler

COUNTING_CALLS = ["ListTasks", "GetQueueAttributes"]


@dataclass(frozen=True, slots=True)
class Start:
    """One task's start: what its dispatcher had seen of other tasks, and its token."""

    task: Task
    at: float
    listed: float  # the list may lack tasks started since then
    counted: float  # the count may include messages that were there since then
    token_of: tuple[int, str]  # the minute and the capacity

    def may_have_missed(self, other: "Start") -> bool:
        """Return whether the dispatcher may have missed the other task, with another token."""
        is_unseen = self.listed <= other.at <= self.at
        return is_unseen and other.token_of != self.token_of


@dataclass
class Checks:
    """Records which promise was broken, how and when."""

    scheduler: Scheduler
    plan: Plan
    records: Records
    cluster: Cluster = field(init=False)
    queue: Queue = field(init=False)
    broken: list[str] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    excess: int = 0

    def on_counts_read(self, visible: int, in_flight: int) -> None:
        """Record the tasks that the dispatcher should want, if the counts do not lag."""
        invocation = self._invocation()
        is_anyone_alive = any(task.is_live for task in self.cluster.ours)
        backlog = visible + (in_flight if is_anyone_alive else 0)
        invocation.wanted = self._worth(backlog)

    def on_start(self, task: Task) -> None:
        """P6: no more tasks than wanted, except at a minute's end; in a crash loop one a sweep."""
        invocation = self._invocation()
        invocation.starts += 1
        listed = invocation.listed_at - self.plan.listing_lag
        counted = min(invocation.listed_at - self.plan.counts_lag, invocation.began)
        token_of = (int(invocation.filled_at // 60), task.capacity)
        self.starts.append(Start(task, self.scheduler.now, listed, counted, token_of))
        live = [start for start in self.starts if start.task.is_live]
        most, per_slot = self._max_wanted(live, listed), self._tokens_per_slot(live)
        self.scheduler.note(invocation.name, f"starts {task.name[-8:]}, {len(live)} live of {most}")
        self.excess = max(self.excess, len(live) - self.plan.max_tasks)
        if len(live) > most * per_slot:
            self._break(f"P6: {invocation.name} starts a task, {len(live)} live of {most} wanted")
        if self._is_in_a_crash_loop(listed) and (
            invocation.kind != "sweep" or invocation.starts > 1
        ):
            self._break(f"P6: {invocation.name} starts a task in a crash loop")

    def _max_wanted(self, live: list[Start], listed: float) -> int:
        """Return how many tasks this dispatcher, or one that it could not see, may have wanted."""
        counted = min(start.counted for start in live if start.at >= listed)
        return self._worth(self.queue.most(counted))

    def _tokens_per_slot(self, live: list[Start]) -> int:
        """Return how often each slot may be taken: once for each token, of starts not seen."""
        pairs = [(one, other) for one in live for other in live if one.may_have_missed(other)]
        return max(1, len({start.token_of for pair in pairs for start in pair}))

    def _is_in_a_crash_loop(self, listed: float) -> bool:
        """Return whether the newest end that a list of tasks must show by then was a bad one."""
        ends = [end for task in self.cluster.ours if (end := task.end)]
        known = [end for end in ends if end.reported_at <= listed]
        newest = max(known, key=lambda end: end.at, default=None)
        if newest is None or newest.is_good or newest.at < self.scheduler.now - KEPT_SECONDS:
            return False
        return not any(end.is_good and end.at >= newest.at for end in ends)

    def on_end(self, invocation: Invocation) -> None:
        """P6, 5.5: a quiet system makes only the sweep's calls; an event starts enough tasks."""
        if invocation.kind == "foreign" and invocation.calls:
            self._break(f"P6: {invocation.name} makes calls: {invocation.calls}")
        is_empty = not self.queue.most(invocation.listed_at - self.plan.counts_lag)
        if invocation.kind == "sweep" and is_empty and set(invocation.calls) - set(COUNTING_CALLS):
            self._break(f"P6: {invocation.name} of an empty queue makes {invocation.calls}")
        if self.plan.faultless and not self.plan.listing_lag and not self.plan.counts_lag:
            seen = sum(task.was_live_after(invocation.began) for task in self.cluster.ours)
            if seen < invocation.wanted:
                self._break(f"5.5: {invocation.name} left {seen} of {invocation.wanted} tasks")

    def on_failure(self, invocation: Invocation) -> None:
        """5.5: once its messages are sent, no error of AWS fails an event."""
        if (last := invocation.calls[-1]) != "SendMessageBatch":
            self._break(f"5.5: {invocation.name} fails for {last}, with its messages sent")

    def at_end(self) -> None:
        """P2, P4: every file was dispatched and done, with no long gap without a worker."""
        for gap in self.records.gaps:
            if gap.seconds_since_failure > self.plan.bound:
                self._break(f"P4: stranded for {gap.seconds:.0f} s from {gap.since - START}")
            elif self.plan.faultless and gap.seconds_since_failure > self.plan.prompt_bound:
                since = gap.since - START
                self._break(f"P4: no worker for {gap.seconds:.0f} s of peace, from {since:.3f}")
        for key in self.records.uploaded.keys() - self.records.done - self.records.undispatched:
            self._break(f"P2: {key} was never done")

    def _worth(self, messages: int) -> int:
        return min(math.ceil(messages / self.plan.messages_per_task), self.plan.max_tasks)

    def _invocation(self) -> Invocation:
        assert self.scheduler.current is not None
        return self.scheduler.current

    def _break(self, what: str) -> None:
        self.broken.append(f"{self.scheduler.now - START:.3f} s: {what}")
        self.scheduler.note("", f"BROKEN {what}")

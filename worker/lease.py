"""One lease: until when a message is ours, and what moves that."""

import asyncio
import math
import random
from dataclasses import dataclass, field

from worker.job import Message

LONGEST_SECONDS = 43_200 - 60  # SQS's twelve hours, less the time a poll may have held the message
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a message stays invisible, and how often that is extended; in seconds."""

    visibility: int
    heartbeat: float

    def next_beat(self, now: float, lasting: float) -> float:
        """Choose when to beat again for a lease that lasts so long from now."""
        jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        return now + min(self.heartbeat, lasting / 3) * jitter


@dataclass(slots=True, eq=False)
class Lease:
    """The hold on one message; times are the event loop's, in seconds."""

    message: Message  # the delivery it is for: a later one of the same message has its own
    handle: str
    since: float  # the receive's answer
    deadline: float  # from then on SQS may give the message to another
    due: float  # the next beat
    beat: "asyncio.Task[None] | None" = None  # under way
    job: "asyncio.Task[object] | None" = None
    lost: str | None = None  # why
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, message: Message, answered: float, times: LeaseTimes) -> "Lease":
        """Take hold of a message whose receive was answered at that time."""
        deadline = answered + times.visibility
        due = times.next_beat(answered, times.visibility)
        return cls(message, message.receipt_handle, answered, deadline, due)

    def received_again(self, message: Message, answered: float, times: LeaseTimes) -> None:
        """Go on under the newer handle; SQS counts its twelve hours anew."""
        self.handle, self.since = message.receipt_handle, answered
        self.deadline = answered + times.visibility
        self.due = times.next_beat(answered, times.visibility)

    def extension(self, now: float, times: LeaseTimes) -> int:
        """Tell for how many seconds a beat sent now may ask: SQS refuses to pass its limit."""
        return max(1, min(times.visibility, int(self.since + LONGEST_SECONDS - now)))

    def extended(self, sent: float, seconds: int, times: LeaseTimes) -> None:
        """Note that a beat succeeded; one sent after the deadline revives nothing."""
        if self.lost is not None or sent >= self.deadline:
            return
        self.deadline = sent + seconds
        at_the_limit = seconds < times.visibility
        self.due = math.inf if at_the_limit else times.next_beat(sent, seconds)
        self.confirmed.set()

    def failed(self, now: float) -> None:
        """Beat again soon: until the deadline nothing is lost."""
        self.due = now + RETRY_SECONDS

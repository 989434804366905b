"""Draws the fault of each call from the seed.

The draw depends only on the call's process, operation and number: if some faults of a schedule are
left out, the others stay where they were.
"""

import hashlib
import math
import random
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal[
    "error before", "error after", "throttled", "hangs", "hangs after", "deaf", "slow request",
    "slow answer", "repeated", "body cut", "conflict", "denied", "expired",
    "silence", "interrupted", "received again",
]  # fmt: skip

EVERYWHERE: tuple[Kind, ...] = (
    "error before", "error after", "throttled", "hangs", "hangs after", "deaf", "slow request",
    "slow answer",
)  # fmt: skip
# What an outage of minutes or of an hour takes: the whole of a service, or a part that fails alone.
READS = frozenset({"get_object", "head_object"})
WRITES = frozenset(
    {
        "put_object",
        "create_multipart_upload",
        "upload_part",
        "complete_multipart_upload",
        "abort_multipart_upload",
    }
)
SETTLING = frozenset({"delete_message_batch"})
QUEUE_CALLS = SETTLING | {
    "receive_message", "change_message_visibility_batch", "send_message",
}  # fmt: skip
SERVICES = (READS | WRITES, READS, WRITES, QUEUE_CALLS, SETTLING, READS | WRITES | QUEUE_CALLS)
# The operations that an outage can hit, and the faults that only this operation has.
OPERATIONS: Mapping[str, tuple[Kind, ...]] = {
    "receive_message": (),
    "delete_message_batch": ("repeated",),
    "change_message_visibility_batch": ("repeated",),
    "send_message": ("repeated",),
    "get_queue_attributes": (),
    "get_object": ("body cut",),
    "head_object": (),
    "put_object": ("repeated", "conflict"),
    "create_multipart_upload": ("repeated",),
    "upload_part": ("repeated",),
    "complete_multipart_upload": ("repeated", "conflict"),
    "abort_multipart_upload": ("repeated",),
}
OUTAGES: tuple[Kind, ...] = ("error before", "throttled", "hangs")
# Drawn apart from the others, at calls that have none of them, in some of the schedules. "Silence":
# the request is never read, and the client does not notice. "Interrupted": the call ends in a
# CancelledError that nobody requested. "Received again": SQS delivers the message of the call once
# more, while it is in hand.
APART: tuple[Kind, ...] = ("silence", "interrupted", "received again")
FATAL_SHARE = 0.15  # of the faults, in a schedule that has fatal ones


@dataclass(frozen=True, slots=True)
class Fate:
    """The fault of one call, if any, and its times in seconds."""

    kind: Kind | None
    out: float
    back: float
    pick: float  # from 0 to 1, chooses among the errors of that kind
    redelivers: bool = False  # SQS delivers the call's message again; the call itself goes well


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which every call of some operations fails, in one of these ways."""

    start: float
    end: float
    operations: frozenset[str]
    kinds: tuple[Kind, ...] = OUTAGES


@dataclass
class Faults:
    """The faults of one schedule: but for outages, none from `calm_at` on.

    If `only` is given, only the faults in it.
    """

    seed: int
    rate: float
    kinds: tuple[Kind, ...]
    fatal: bool
    calm_at: float
    outages: tuple[Outage, ...] = ()
    apart_rate: float = 0.0
    apart_kinds: tuple[Kind, ...] = ()
    hanging_starts: float = 0.0  # the share of workers whose start hangs
    hanging_predictions: float = 0.0
    wrong_guesses: float = 0.0  # the share of the parts of large files
    only: frozenset[str] | None = None
    injected: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def fate(self, process: str, operation: str, now: float) -> Fate:
        """Draw the next call's fault and times."""
        self.calls[f"{process} {operation}"] += 1
        name = f"{process} {operation} {self.calls[f'{process} {operation}']}"
        out, back, pick, luck = _fractions(f"{self.seed} {name}")
        out, back = 0.001 + 0.05 * out, 0.001 + 0.05 * back
        outages = (one for one in self.outages if operation in one.operations)
        down = next((one for one in outages if one.start <= now < one.end), None)
        calm = Fate(None, out, back, pick)
        if not (self.only is None or name in self.only):
            return calm
        if down is None and now >= self.calm_at:
            return calm
        if down is None and luck >= self.rate:
            return self._apart(name, calm)
        draw = random.Random(f"{self.seed} {name}")  # noqa: S311 - no secret
        kind = draw.choice(down.kinds) if down else self._kind(draw, operation)
        self.injected[name] = kind
        if kind == "slow request":
            out = draw.uniform(1, 30)
        if kind == "slow answer":
            back = draw.uniform(1, 30)
        return Fate(kind, out, back, pick)

    def start_hangs(self, process: str, now: float) -> bool:
        """Draw whether the start of a worker hangs."""
        return self._happens("start", "start hangs", process, self.hanging_starts, now)

    def prediction_hangs(self, process: str, now: float) -> bool:
        """Draw whether the next prediction of a worker hangs."""
        share = self.hanging_predictions
        return self._happens("prediction", "prediction hangs", process, share, now)

    def guess_is_wrong(self, process: str) -> bool:
        """Draw whether a pool process guesses wrong where a part begins: it always may."""
        return self._happens("guess", "wrong guess", process, self.wrong_guesses)

    def _happens(
        self, what: str, kind: str, process: str, share: float, now: float = -math.inf
    ) -> bool:
        self.calls[f"{process} {what}"] += 1
        name = f"{process} {what} {self.calls[f'{process} {what}']}"
        luck, *_ = _fractions(f"apart {self.seed} {name}")
        return luck < share and now < self.calm_at and self.injects(name, kind)

    def injects(self, fault: str, kind: str) -> bool:
        """Return whether to inject a planned process fault, and count it."""
        if self.only is not None and fault not in self.only:
            return False
        self.injected[fault] = kind
        return True

    def _apart(self, name: str, calm: Fate) -> Fate:
        """Draw the fault of a call that has no other one."""
        luck, pick, *_ = _fractions(f"apart {self.seed} {name}")
        if luck >= self.apart_rate:
            return calm
        kind = self.apart_kinds[int(pick * len(self.apart_kinds))]
        self.injected[name] = kind
        redelivers = kind == "received again"
        return replace(calm, kind=None if redelivers else kind, redelivers=redelivers)

    def _kind(self, draw: random.Random, operation: str) -> Kind:
        if self.fatal and draw.random() < FATAL_SHARE:
            return draw.choice(("denied", "expired"))
        return draw.choice([*self.kinds, *OPERATIONS.get(operation, ())])


def _fractions(name: str) -> Iterator[float]:
    """Draw four numbers from 0 to 1 cheaply: most calls need no more."""
    digest = hashlib.blake2b(name.encode(), digest_size=32).digest()
    return (number / 2**64 for number in struct.unpack("=4Q", digest))

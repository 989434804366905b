"""Which fault befalls which call: drawn from the seed, for each call by itself.

A call is known by its process, its operation and its number, so that a schedule with some of its
faults taken away still has the others where they were.
"""

import hashlib
import random
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "error before", "error after", "throttled", "hangs", "hangs after", "deaf", "slow request",
    "slow answer", "repeated", "body cut", "conflict", "denied", "expired",
]  # fmt: skip

EVERYWHERE: tuple[Kind, ...] = (
    "error before", "error after", "throttled", "hangs", "hangs after", "deaf", "slow request",
    "slow answer",
)  # fmt: skip
# Every operation that outages are drawn from, and what can befall it beside that.
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
FATAL_SHARE = 0.15  # of the faults, where the schedule has fatal ones at all


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one call; times in seconds."""

    kind: Kind | None
    out: float
    back: float
    pick: float  # among the errors that fit, from 0 to 1


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which every call of some operations fails."""

    start: float
    end: float
    operations: frozenset[str]


@dataclass
class Faults:
    """The faults of one schedule; none from `calm_at` on, and only those in `only` if given."""

    seed: int
    rate: float
    kinds: tuple[Kind, ...]
    fatal: bool
    calm_at: float
    outages: tuple[Outage, ...] = ()
    only: frozenset[str] | None = None
    injected: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def fate(self, process: str, operation: str, now: float) -> Fate:
        """Draw the fate of the next call."""
        self.calls[f"{process} {operation}"] += 1
        name = f"{process} {operation} {self.calls[f'{process} {operation}']}"
        out, back, pick, luck = _fractions(f"{self.seed} {name}")
        out, back = 0.001 + 0.05 * out, 0.001 + 0.05 * back
        down = any(
            one.start <= now < one.end and operation in one.operations for one in self.outages
        )
        is_due = (down or luck < self.rate) and now < self.calm_at
        if not is_due or not (self.only is None or name in self.only):
            return Fate(None, out, back, pick)
        draw = random.Random(f"{self.seed} {name}")  # noqa: S311 - no secret
        kind = draw.choice(OUTAGES) if down else self._kind(draw, operation)
        self.injected[name] = kind
        if kind == "slow request":
            out = draw.uniform(1, 30)
        if kind == "slow answer":
            back = draw.uniform(1, 30)
        return Fate(kind, out, back, pick)

    def strikes(self, blow: str, kind: str) -> bool:
        """Tell whether a planned blow is among the faults to play, and count it as one."""
        if self.only is not None and blow not in self.only:
            return False
        self.injected[blow] = kind
        return True

    def _kind(self, draw: random.Random, operation: str) -> Kind:
        if self.fatal and draw.random() < FATAL_SHARE:
            return draw.choice(("denied", "expired"))
        return draw.choice([*self.kinds, *OPERATIONS.get(operation, ())])


def _fractions(name: str) -> Iterator[float]:
    """Draw four numbers from 0 to 1: of most calls nothing more is needed, and this is cheap."""
    digest = hashlib.blake2b(name.encode(), digest_size=32).digest()
    return (number / 2**64 for number in struct.unpack("=4Q", digest))

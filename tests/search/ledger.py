"""The books of a run: what was asked for, and what SQS and S3 really did about it, and for whom."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.search.network import CALL, Call
from tests.search.plan import QUEUE, FileKind
from tests.support.simulation.sqs import DeadLettered, Received, Sent, SqsEffect, VisibilityChanged
from worker.clock import now

ANSWER_SECONDS = 0.06  # that an answer is on its way at most: a worker counts from when it comes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a message asks for: a prediction of this version of a file, or of a newer one."""

    key: str
    kind: FileKind
    version: int
    told: bool


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter: as the worker sent it, or moved by SQS (no reasons then)."""

    message_id: str
    reasons: Mapping[str, str] | None
    receives: int


@dataclass(frozen=True, slots=True)
class Output:
    """A prediction that was written, by the version of its file."""

    version: int
    sequencer: str | None


@dataclass
class Hand:
    """What one worker had in its hands."""

    received: dict[str, str] = field(default_factory=dict)  # message id -> newest handle
    troubled: dict[str, float] = field(default_factory=dict)  # message id -> last faulty call
    # Message ids that it may take for its own too long, as a call or an answer took its time.
    slow: set[str] = field(default_factory=set)
    # Message ids that came while it was frozen: its client may have given up when it wakes.
    unheard: set[str] = field(default_factory=set)
    overtaken: set[str] = field(default_factory=set)  # message ids: a beat after the settlement
    trouble: float = float("-inf")  # last faulty call of any kind
    uploads: set[str] = field(default_factory=set)  # ids, as it was told when it began them
    stuck: set[str] = field(default_factory=set)  # ids of uploads whose abort met with a fault
    fatal: bool = False  # a call was answered that nothing can be done without
    named: set[str] = field(default_factory=set)  # message ids in its warnings


@dataclass
class Ledger:
    """Everything that the checks need to know; times are the loop's."""

    asked: dict[str, Asked] = field(default_factory=dict)
    versions: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    written: dict[str, list[Output]] = field(default_factory=lambda: defaultdict(list))
    hands: dict[str, Hand] = field(default_factory=lambda: defaultdict(Hand))
    # Message id -> its newest handle, and whose that is.
    holder: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Message id -> who changed its visibility last, by which handle, and if set aside, till when.
    touched: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)
    # Handle -> until when its worker may take the message for its own.
    promised: dict[str, float] = field(default_factory=dict)
    # Message id, and who received it last and has it no more: an older handle that was good too has
    # settled it.
    overruled: set[tuple[str, str]] = field(default_factory=set)
    late_beats: list[VisibilityChanged] = field(default_factory=list)  # after a settlement
    dead: list[Dead] = field(default_factory=list)
    timeline: list[tuple[float, str, object]] = field(default_factory=list)

    def note(self, at: float, who: str, what: object) -> None:
        """Keep a line of the story."""
        self.timeline.append((at, who, what))

    def on_call(self, call: Call) -> None:
        """Remember whom and what a fault concerns."""
        fate, at, hand = call.fate, now(), self.hands[call.process.name]
        handles = {entry["ReceiptHandle"] for entry in call.arguments.get("Entries", ())}
        concerned = {name: one for name, one in hand.received.items() if one in handles}
        for message_id, handle in concerned.items():
            # In time as far as its worker knows, and too late for SQS, which may not say so.
            if at <= self.promised[handle] <= at + fate.out + ANSWER_SECONDS:
                hand.slow.add(message_id)
        if fate.kind is None:
            return
        hand.trouble = at
        if call.operation == "abort_multipart_upload":
            hand.stuck.add(call.arguments["UploadId"])
        hand.fatal = hand.fatal or fate.kind in ("denied", "expired")
        hand.troubled.update(dict.fromkeys(concerned, at))
        self.note(at, call.process.name, f"  {call.operation}: {fate.kind} ({call.caller})")

    def on_answer(self, call: Call, answer: Mapping[str, object]) -> None:
        """Remember which uploads a worker knows of."""
        if call.operation == "create_multipart_upload":
            self.hands[call.process.name].uploads.add(str(answer["UploadId"]))

    def on_sqs(self, effect: SqsEffect) -> None:
        """Follow the messages."""
        call = CALL.get(None)
        who = call.process.name if call is not None else "outside"
        self.note(effect.at, who, effect)
        match effect:
            case Received(queue=queue) if queue == QUEUE:
                self._on_received(effect, call, who)
            case VisibilityChanged() if call is not None:
                self._on_change(effect, call)
            case DeadLettered():
                self.dead.append(Dead(effect.message_id, None, 0))
            case Sent(queue=queue) if queue != QUEUE:
                reasons = {n: str(a["StringValue"]) for n, a in effect.attributes.items()}
                name, count = reasons["source_message_id"], int(reasons["receive_count"])
                self.dead.append(Dead(name, reasons, count))

    def _on_received(self, effect: Received, call: Call | None, who: str) -> None:
        self.holder[effect.message_id] = (effect.handle, who)
        self.touched.pop(effect.message_id, None)
        self.promised[effect.handle] = effect.visible_at + ANSWER_SECONDS
        self.overruled.discard((effect.message_id, who))
        if call is None:
            return
        hand = self.hands[who]
        if call.fate.kind == "slow answer":
            hand.slow.add(effect.message_id)
            self.promised[effect.handle] = math.inf
        if call.process.frozen:
            hand.unheard.add(effect.message_id)
        if call.fate.kind is None:  # else it may never hear of it
            hand.received[effect.message_id] = effect.handle

    def _on_change(self, effect: VisibilityChanged, call: Call) -> None:
        newest, holder = self.holder[effect.message_id]
        sent_at = effect.at - call.fate.out
        if effect.handle != newest and sent_at <= self.promised[effect.handle]:
            self.overruled.add((effect.message_id, holder))
        beat = call.caller == "heartbeat"
        if beat:
            self.promised[effect.handle] = effect.visible_at
        _, handle, until = self.touched.get(effect.message_id, ("", "", None))
        if beat and handle == effect.handle and until is not None:
            if call.fate.kind is None:
                self.late_beats.append(effect)
            else:  # given up by the worker, and on its way all the same
                self.hands[call.process.name].overtaken.add(effect.message_id)
        until = None if beat else effect.visible_at
        self.touched[effect.message_id] = (call.process.name, effect.handle, until)

    def dead_letters(self, message_id: str) -> list[Dead]:
        """Return the dead letters of a message."""
        return [dead for dead in self.dead if dead.message_id == message_id]

    def version_of(self, key: str, etag: str) -> int:
        """Tell which version of a file has an ETag; -1 for none."""
        for number, content in enumerate(self.versions[key]):
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == etag:
                return number
        return -1

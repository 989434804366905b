"""The ledger of a schedule: the requests, and the effects in SQS and S3, by worker."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from structlog.contextvars import get_contextvars

from tests.search.network import CALL, Call
from tests.search.plan import INPUT, QUEUE, FileKind, run_of_mark
from tests.support.simulation.sqs import DeadLettered, Received, Sent, SqsEffect, VisibilityChanged
from worker.clock import now

NO_JOB = ("unreadable", "later")
ANSWER_SECONDS = 0.06  # the longest way of an answer; the worker's clock starts at its arrival


@dataclass(frozen=True, slots=True)
class Request:
    """The request in a message: predict this version of a file, or a newer one."""

    key: str
    kind: FileKind
    version: int
    detailed: bool
    run: str | None
    redrives: int

    @property
    def can_be_cancelled(self) -> bool:
        """Return whether a run's cancel is about the message.

        It is not about a file that was submitted again by itself, nor about what is no job.
        """
        return self.run is not None and not self.redrives and self.kind not in NO_JOB


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter: sent by the worker, or moved by SQS and then without reasons."""

    message_id: str
    reasons: Mapping[str, str] | None
    receives: int
    at: float


@dataclass(frozen=True, slots=True)
class Output:
    """An output that was written: the version of its file, the sequencer, and the settings."""

    version: int
    sequencer: str | None
    encoding: str


@dataclass(frozen=True, slots=True)
class Look:
    """When a worker asked for the head of an object, and whether the call had a fault."""

    at: float
    failed: bool


NO_LOOK = Look(-math.inf, failed=False)


@dataclass(frozen=True, slots=True)
class GivenBack:
    """When a worker made a message visible again, and its last faulty call before that."""

    worker: str
    at: float
    last_fault_at: float


@dataclass
class WorkerRecord:
    """What one worker received, and the faults that it met."""

    received: dict[str, str] = field(default_factory=dict)  # message id -> newest handle
    last_fault_of: dict[str, float] = field(default_factory=dict)  # message id -> last faulty call
    # Ids of messages that it may hold for too long, because a call or an answer was slow.
    slow: set[str] = field(default_factory=set)
    # Ids of messages that came while it was suspended: its client may have timed out since.
    received_while_suspended: set[str] = field(default_factory=set)
    # Ids of messages with a heartbeat after the settlement.
    heartbeat_after_settlement: set[str] = field(default_factory=set)
    last_fault_at: float = float("-inf")  # time of the last call with a fault
    # By the key of an input and the message for which it was looked at, the last one.
    looks: dict[tuple[str, str], Look] = field(default_factory=dict)
    # By the run, each look for the mark that cancels it.
    mark_looks: dict[str | None, list[Look]] = field(default_factory=lambda: defaultdict(list))
    uploads: set[str] = field(default_factory=set)  # ids of the uploads that it began
    abort_failed: set[str] = field(default_factory=set)  # ids of uploads whose abort had a fault
    fatal: bool = False  # a call was denied, or its credentials had expired
    logged: set[str] = field(default_factory=set)  # ids of messages in its warnings
    since: dict[str, float] = field(default_factory=dict)  # message id -> its first receive
    # Since when nothing may be received, as it logged.
    tripped_at: float = math.inf
    deletes_fail_at: float = math.inf
    heartbeats_fail_at: float = math.inf


@dataclass
class Ledger:
    """Everything that the checks need; times are the event loop's."""

    requests: dict[str, Request] = field(default_factory=dict)
    versions: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    landed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cancelled_at: dict[str, float] = field(default_factory=dict)  # by the run
    written: dict[str, list[Output]] = field(default_factory=lambda: defaultdict(list))
    # The version of a file's rejected rows, also of an empty table.
    rejects: dict[str, int] = field(default_factory=dict)
    records: dict[str, WorkerRecord] = field(default_factory=lambda: defaultdict(WorkerRecord))
    # Message id -> its newest handle, and the worker that received it.
    holder: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Message id -> the last change of visibility: worker, handle, and end unless a heartbeat.
    last_change: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)
    # Message id -> its last receive, and since then the last retry or release.
    received_at: dict[str, float] = field(default_factory=dict)
    given_back: dict[str, GivenBack] = field(default_factory=dict)
    # Handle -> until when its worker may assume that it holds the message.
    held_until: dict[str, float] = field(default_factory=dict)
    # Message id, and who received it last and has it no more: an older handle that was good too has
    # settled it.
    overridden: set[tuple[str, str]] = field(default_factory=set)
    late_heartbeats: list[VisibilityChanged] = field(default_factory=list)  # after a settlement
    dead: list[Dead] = field(default_factory=list)
    # The keys of files of which an event was taken, or logged as lost.
    announced: set[str] = field(default_factory=set)
    # How often each content was predicted, by workers that have ended.
    predictions: Counter[bytes] = field(default_factory=Counter)
    timeline: list[tuple[float, str, object]] = field(default_factory=list)

    def note(self, at: float, who: str, what: object) -> None:
        """Keep a line of the story."""
        self.timeline.append((at, who, what))

    def on_call(self, call: Call) -> None:
        """Record which worker and messages a fault concerns."""
        fate, at, record = call.fate, now(), self.records[call.process.name]
        entries = call.arguments.get("Entries", ())
        handles = {entry["ReceiptHandle"] for entry in entries if "ReceiptHandle" in entry}
        concerned = {name: one for name, one in record.received.items() if one in handles}
        for message_id, handle in concerned.items():
            # In time for the worker and too late for SQS, which may accept the call nevertheless.
            if at <= self.held_until[handle] <= at + fate.out + ANSWER_SECONDS:
                record.slow.add(message_id)
        if call.operation == "head_object":
            look, key = Look(at, failed=fate.kind is not None), call.arguments["Key"]
            if call.arguments["Bucket"] == INPUT:
                # Other messages of the same input look at it too.
                record.looks[key, get_contextvars().get("message_id", "")] = look
            elif run := run_of_mark(key):
                record.mark_looks[run].append(look)
        if fate.kind is None:
            return
        record.last_fault_at = at
        if call.operation == "abort_multipart_upload":
            record.abort_failed.add(call.arguments["UploadId"])
        record.fatal = record.fatal or fate.kind in ("denied", "expired")
        record.last_fault_of.update(dict.fromkeys(concerned, at))
        self.note(at, call.process.name, f"  {call.operation}: {fate.kind} ({call.caller})")

    def on_answer(self, call: Call, answer: Mapping[str, object]) -> None:
        """Record which uploads a worker began, and that its deletes or heartbeats succeed."""
        if call.caller == "heartbeat":
            self.records[call.process.name].heartbeats_fail_at = math.inf
        if call.operation == "delete_message_batch":
            self.records[call.process.name].deletes_fail_at = math.inf
        if call.operation == "create_multipart_upload":
            self.records[call.process.name].uploads.add(str(answer["UploadId"]))

    def on_sqs(self, effect: SqsEffect) -> None:
        """Record an effect in SQS."""
        call = CALL.get(None)
        who = call.process.name if call is not None else "outside"
        self.note(effect.at, who, effect)
        match effect:
            case Received(queue=queue) if queue == QUEUE:
                self._on_received(effect, call, who)
            case VisibilityChanged() if call is not None:
                self._on_change(effect, call)
            case DeadLettered():
                self.dead.append(Dead(effect.message_id, None, 0, effect.at))
            case Sent(queue=queue) if queue != QUEUE:
                reasons = {n: str(a["StringValue"]) for n, a in effect.attributes.items()}
                name, count = reasons["source_message_id"], int(reasons["receive_count"])
                self.dead.append(Dead(name, reasons, count, effect.at))

    def _on_received(self, effect: Received, call: Call | None, who: str) -> None:
        self.holder[effect.message_id] = (effect.handle, who)
        self.last_change.pop(effect.message_id, None)
        self.given_back.pop(effect.message_id, None)
        self.received_at[effect.message_id] = effect.at
        self.held_until[effect.handle] = effect.visible_at + ANSWER_SECONDS
        self.overridden.discard((effect.message_id, who))
        if call is None:
            return
        record = self.records[who]
        if call.fate.kind == "slow answer":
            record.slow.add(effect.message_id)
            self.held_until[effect.handle] = math.inf
        if call.process.suspended:
            record.received_while_suspended.add(effect.message_id)
        if call.fate.kind is None:  # with a fault the answer may not arrive
            record.received[effect.message_id] = effect.handle
            record.since.setdefault(effect.message_id, effect.at)

    def _on_change(self, effect: VisibilityChanged, call: Call) -> None:
        newest, holder = self.holder[effect.message_id]
        sent_at = effect.at - call.fate.out
        if effect.handle != newest and sent_at <= self.held_until[effect.handle]:
            self.overridden.add((effect.message_id, holder))
        beat = call.caller == "heartbeat"
        if beat:
            self.held_until[effect.handle] = effect.visible_at
        _, handle, until = self.last_change.get(effect.message_id, ("", "", None))
        if beat and handle == effect.handle and until is not None:
            if call.fate.kind is None:
                self.late_heartbeats.append(effect)
            else:  # the worker's call had timed out, and took effect later
                self.records[call.process.name].heartbeat_after_settlement.add(effect.message_id)
        if not beat:
            fault_at = self.records[call.process.name].last_fault_at
            self.given_back[effect.message_id] = GivenBack(call.process.name, effect.at, fault_at)
        until = None if beat else effect.visible_at
        self.last_change[effect.message_id] = (call.process.name, effect.handle, until)

    def dead_letters(self, message_id: str) -> list[Dead]:
        """Return the dead letters of a message."""
        return [dead for dead in self.dead if dead.message_id == message_id]

    def replaced_at(self, request: Request) -> float:
        """Return when a good version took the place of the one that a message names."""
        versions = zip(
            self.versions.get(request.key, ()), self.landed.get(request.key, ()), strict=True
        )
        newer = list(versions)[request.version + 1 :]
        landed = [at for content, at in newer if content.startswith(b"good")]
        return min(landed, default=math.inf)

    def is_cancelled(self, request: Request) -> bool:
        """Return whether the run of a message is cancelled by now."""
        return request.can_be_cancelled and request.run in self.cancelled_at

    def version_of(self, key: str, etag: str) -> int:
        """Return the version of a file that has this ETag; -1 if none has."""
        for number, content in enumerate(self.versions[key]):
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == etag:
                return number
        return -1

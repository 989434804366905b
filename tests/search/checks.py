"""Checks the promises against the ledger: at each effect, at each exit, and at the end."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from structlog.contextvars import get_contextvars

from tests.search.contents import predicted, rejects
from tests.search.ledger import ANSWER_SECONDS, NO_LOOK, Ledger, Output, Request
from tests.search.network import CALL, Call
from tests.search.outcomes import Outcomes
from tests.search.plan import DEAD, ENCODINGS, OUTPUT, PREFIX, QUEUE, Plan
from tests.search.processes import Process
from tests.support.simulation.s3 import S3Effect, SimulatedS3, Written
from tests.support.simulation.sqs import (
    DeadLettered,
    Deleted,
    Received,
    Sent,
    SimulatedSqs,
    SqsEffect,
)
from worker.clock import now
from worker.jobs.limits import PATIENCE_SECONDS
from worker.jobs.rejected_rows import NO_REJECTS, REJECTS_SUFFIX
from worker.jobs.settlement import MAX_RECORD_SECONDS
from worker.lifecycle.cancelled_runs import LOOK_SECONDS

WRITES = ("put_object", "complete_multipart_upload")
RECORD_SECONDS = MAX_RECORD_SECONDS + 60  # from the look at an input to a late dead letter
# How long a call may take whose service is silent, and the longest call of each other operation. A
# read may be of a part, whose size extends it.
LONGEST_CALL_SECONDS = 121.0
LONGEST_CALLS = {"complete_multipart_upload": 301.0, "get_object": 201.0}
KNOWN_SECONDS = 1.0  # after a receive its answer has arrived, unless the call had a fault
EXCUSED_SECONDS = 40.0  # a faulty call may take effect so late, or make others wait so long


@dataclass
class Checks:
    """Records which promise was broken, how and when."""

    plan: Plan
    ledger: Ledger
    sqs: SimulatedSqs
    s3: SimulatedS3
    broken: list[str] = field(default_factory=list)

    @property
    def outcomes(self) -> Outcomes:
        """The outcomes so far."""
        return Outcomes(self.plan, self.ledger, self.sqs, self.s3)

    def on_call(self, call: Call) -> None:
        """P2: an output is written only while the worker holds its message."""
        self.ledger.on_call(call)
        if call.operation == "receive_message":
            self._on_poll(call)
        if call.operation not in WRITES or call.caller != "processor":
            return
        message_id, name = get_contextvars()["message_id"], call.process.name
        self._on_work(call.process, message_id)
        stored, record = self.sqs.queues[QUEUE].messages.get(message_id), self.ledger.records[name]
        if stored is None or message_id in record.slow:
            return  # a worker cannot know how long a slow call or answer was on its way
        own, (handle, holder) = record.received.get(message_id), self.ledger.holder[message_id]
        by, through, _ = self.ledger.last_change.get(message_id, (name, handle, None))
        # The worker repeats a call that seemed to fail; its older handle may still be valid.
        overridden = (message_id, name) in self.ledger.overridden
        taken = holder != name and not self.plan.has_duplicates and not overridden
        # If two handles are valid, the other one may have released the message: no expiry then. Nor
        # if the newest one was in an answer that never came: extensions by the older one may be
        # answered, and do nothing.
        is_of_flight = (holder == name and handle == own) or own in stored.usable
        expired = is_of_flight and stored.visible_at < now() - ANSWER_SECONDS
        if taken or (expired and (by, through) == (name, handle)):
            self._break(now(), f"P2: {name} uploads for {message_id}, which it lost")

    def _on_work(self, process: Process, message_id: str) -> None:
        """4.1: the mark of a run is looked for once a minute, and from then on nothing is begun."""
        request, record = self.ledger.requests[message_id], self.ledger.records[process.name]
        begun_at = record.since.get(message_id, -math.inf)
        if request.run is None or not request.can_be_cancelled:
            return
        looks = record.mark_looks[request.run]
        answered = (
            look.at + (LONGEST_CALL_SECONDS if look.failed else KNOWN_SECONDS) for look in looks
        )
        if max(answered, default=-math.inf) < begun_at - LOOK_SECONDS:
            self._break(
                now(), f"4.1: {process.name} does not ask whether {request.run} is cancelled"
            )
        cancelled_at = self.ledger.cancelled_at.get(request.run, math.inf)
        found_at = (look.at for look in looks if look.at > cancelled_at and not look.failed)
        if begun_at > min(found_at, default=math.inf) + KNOWN_SECONDS:
            self._break(now(), f"4.1: {process.name} predicts {message_id} of a cancelled run")

    def _on_poll(self, call: Call) -> None:
        """P10: while jobs or heartbeats fail, one message at most is received, to probe."""
        name, most = call.process.name, call.arguments["MaxNumberOfMessages"]
        record = self.ledger.records[name]
        if now() > record.tripped_at and most > 1:
            self._break(now(), f"P10: {name} receives though its breaker is tripped")
        if now() > record.heartbeats_fail_at and most > 1:
            self._break(now(), f"P10: {name} receives though its heartbeats fail")
        if now() > record.deletes_fail_at:
            self._break(now(), f"P10: {name} receives though its deletes fail")

    def on_log(self, process: Process, event: Mapping[str, Any]) -> None:
        """P10: a failure of infrastructure is tried again in place for a quarter of an hour."""
        record = self.ledger.records[process.name]
        match event["event"]:
            case "event not sent" | "event not sent, retrying":
                self._on_event_not_sent(event)
            case "lease lost":
                self.on_lost(process, event["message_id"])
            case "breaker tripped":
                record.tripped_at = now()
            case "breaker closed":
                record.tripped_at = math.inf
            case "heartbeat failed, retrying":
                record.heartbeats_fail_at = min(now(), record.heartbeats_fail_at)
            case "delete failed, retrying":
                record.deletes_fail_at = min(now(), record.deletes_fail_at)
            case "job failed, retrying":
                self._on_retry(process, event)

    def _on_retry(self, process: Process, event: Mapping[str, Any]) -> None:
        message_id, error = event["message_id"], event["error"]
        if event["error_type"] == "InfrastructureError":
            held = now() - self.ledger.records[process.name].since.pop(message_id, now())
            if held < PATIENCE_SECONDS:
                self._break(now(), f"P10: {process.name} gave {message_id} back after {held:.1f} s")
        elif "longer than WORKER_JOB_SECONDS" in error and "started again" not in error:
            self._on_timeout(process, message_id)

    def _on_timeout(self, process: Process, message_id: str) -> None:
        """5.6: no job of one version takes too long without a fault.

        If a process waited for another one that waits, only the time limit would end its job.
        """
        record = self.ledger.records[process.name]
        disturbed_at = max(record.last_fault_at, process.resumed_at)
        recent = now() - EXCUSED_SECONDS - float(str(self.plan.settings["job_seconds"]))
        if disturbed_at < recent and not self.plan.hanging_predictions:
            self._break(now(), f"5.6: the job of {message_id} took too long for no reason")

    def _on_event_not_sent(self, event: Mapping[str, Any]) -> None:
        """P10: an outage of EventBridge dead-letters nothing; the event is logged in the end."""
        if "detail" in event:
            detail = json.loads(event["detail"])
            self.ledger.announced.add(detail.get("key") or detail["input"]["key"])
        elif event["receive_count"] == self.plan.max_receive_count:
            self._break(now(), f"P10: {event['message_id']} is given back for its event")

    def on_end(self, call: Call, began: float) -> None:
        """4.4: every call to AWS has a time limit, whatever the service does."""
        process, at = call.process, now()
        if not process.alive or process.suspended or process.resumed_at >= began:
            return
        longest = LONGEST_CALLS.get(call.operation, LONGEST_CALL_SECONDS)
        if at - began > longest:
            self._break(at, f"4.4: {process.name} waited {at - began:.0f} s for {call.operation}")

    def on_sqs(self, effect: SqsEffect) -> None:
        """P2: a message is deleted only if its outcome is durable."""
        self.ledger.on_sqs(effect)
        if isinstance(effect, Received) and self._is_too_late():
            self._break(effect.at, f"P2: {effect.message_id} received by a worker that has left")
        if isinstance(effect, Deleted) and effect.queue == QUEUE:
            request = self.ledger.requests[effect.message_id]
            if not self.outcomes.are_durable(effect.message_id, request):
                self._break(effect.at, f"P2: {effect.message_id} deleted, no outcome: {request}")
            if not self._is_announced(request):
                self._break(effect.at, f"events: {effect.message_id} deleted, no event: {request}")
        if isinstance(effect, DeadLettered):
            self._on_moved(effect)
        call = CALL.get(None)
        if isinstance(effect, Sent) and effect.queue == DEAD and call is not None:
            self._on_dead_letter(effect, call.process)

    def _is_announced(self, request: Request) -> bool:
        """Return whether the event of a message's file was sent, or logged as lost.

        No event is due for a message that names no file, a cancelled run, or a version that another
        one may have superseded.
        """
        versions = len(self.ledger.versions.get(request.key, ()))
        is_due = request.kind not in {"unreadable", "later"} and versions < 2 and not request.run
        return not (self.plan.sends_events and is_due) or request.key in self.ledger.announced

    def _on_dead_letter(self, effect: Sent, process: Process) -> None:
        """5.3: a version that a newer one has replaced is superseded, also if it fails for good."""
        name, letter = effect.attributes["source_message_id"]["StringValue"], self.ledger.dead[-1]
        request = self.ledger.requests[name]
        assert letter.reasons is not None
        if not request.detailed and letter.reasons["error_type"] == "GaveUp":
            return  # no one knows which version it was to predict
        replaced_at = self.ledger.replaced_at(request)
        if any(dead.at <= replaced_at for dead in self.ledger.dead_letters(name)):
            return  # sent again, as no answer came; the letter before was right
        look = self.ledger.records[process.name].looks.get((request.key, name), NO_LOOK)
        recently = effect.at - RECORD_SECONDS
        is_unseen = look.at >= recently and (look.at <= replaced_at or look.failed)
        if replaced_at < effect.at and not is_unseen and process.resumed_at < recently:
            self._break(effect.at, f"5.3: {name} is dead, and a newer version is there: {request}")

    def _on_moved(self, effect: DeadLettered) -> None:
        """P7: SQS moves a message, without a reason, only if nobody settled its last receive."""
        name, given_back = effect.message_id, self.ledger.given_back.get(effect.message_id)
        handle, holder = self.ledger.holder[name]
        record = self.ledger.records[holder]
        if given_back is None or given_back.worker != holder or record.received[name] != handle:
            return
        unknown = given_back.at < self.ledger.received_at[name] + KNOWN_SECONDS
        faulty = given_back.last_fault_at > given_back.at - RECORD_SECONDS
        if not unknown and not faulty:
            self._break(effect.at, f"P7: {holder} gave {name} back on its last receive")

    def _is_shared(self) -> bool:
        """Return whether two handles of a message can be valid, so that others may settle it."""
        return self.plan.has_duplicates or self.plan.behaviour.stale_handles == "honoured"

    def _is_too_late(self) -> bool:
        call = CALL.get(None)
        return call is not None and call.fate.kind is None and call.process.has_left

    def on_s3(self, effect: S3Effect) -> None:
        """P1, P3: an output is whole, and newer than the output that it replaces."""
        if not isinstance(effect, Written) or effect.bucket != OUTPUT:
            return
        if CALL.get(None) is None:
            return  # the mark of a cancelled run
        key = effect.key.removeprefix(f"{PREFIX}/")
        self.ledger.note(effect.at, "s3", f"written {effect.key} {effect.body[:60]!r}")
        if key.startswith("_failed/"):
            return
        if key.endswith(REJECTS_SUFFIX):
            self._on_rejects(effect, key.removesuffix(REJECTS_SUFFIX))
            return
        version = self.ledger.version_of(key, effect.metadata.get("source-etag", ""))
        encoding = ENCODINGS[effect.metadata.get("run")]
        if version < 0 or effect.body != predicted(self.ledger.versions[key][version], encoding):
            self._break(effect.at, f"P3: {key} is no prediction of any version: {effect.body!r}")
        elif (
            rejects(self.ledger.versions[key][version], encoding) != NO_REJECTS
            and self.ledger.rejects.get(key, -1) < version
        ):
            self._break(effect.at, f"P3: {key} is written before its rejected rows")
        output = Output(version, effect.metadata.get("source-sequencer"), encoding)
        outputs = self.ledger.written[key]
        if outputs and not self._may_follow(outputs, output):
            self._break(effect.at, f"P1: {key}: {output} written over {outputs[-1]}")
        outputs.append(output)

    def _on_rejects(self, effect: Written, key: str) -> None:
        """P3: rejected rows are whole, and never replaced by those of an older version."""
        version = self.ledger.version_of(key, effect.metadata.get("source-etag", ""))
        encoding = ENCODINGS[effect.metadata.get("run")]
        if version < 0 or effect.body not in (
            rejects(self.ledger.versions[key][version], encoding),
            NO_REJECTS,
        ):
            self._break(effect.at, f"P3: {key} has wrong rejected rows: {effect.body!r}")
        before = self.ledger.rejects.get(key, -1)
        if version < before:
            self._break(effect.at, f"P1: {key}: rejected rows of {version} over those of {before}")
        self.ledger.rejects[key] = version

    def _may_follow(self, outputs: list[Output], output: Output) -> bool:
        """The same version is written again only to record a sequencer, without version ids.

        Or by a message with other settings, whose rejected rows are there already.
        """
        before = outputs[-1]
        if output.version == before.version and output.encoding != before.encoding:
            return True
        if self.plan.versioned or output.version != before.version:
            return output.version > before.version
        same = {one.sequencer for one in [*outputs, output] if one.version == output.version}
        return len(same) > 1

    def on_lost(self, process: Process, message_id: str) -> None:
        """5.1: a lease is lost only after a fault."""
        record, at = self.ledger.records[process.name], now()
        if message_id in record.slow and self.plan.behaviour.stale_handles == "ignored":
            return  # perhaps it never held the message: heartbeats of a stale handle succeed
        recent = at - EXCUSED_SECONDS - self.plan.visibility_seconds
        if max(record.last_fault_at, process.resumed_at) < recent and not self._is_shared():
            self._break(at, f"5.1: {process.name} lost {message_id} for no reason")

    def at_exit(self, process: Process, at: float) -> None:
        """P2 at the exit of a worker that was not killed: no message stays invisible."""
        record = self.ledger.records[process.name]
        for message_id, handle in record.received.items():
            settled = self._is_settled(process, message_id, handle, at)
            if settled or message_id in record.heartbeat_after_settlement:
                continue
            if message_id not in record.logged | record.received_while_suspended:
                self._break(at, f"P7: {process.name} left {message_id} behind and does not say so")
            if self.plan.behaviour.failed_entries:
                continue  # the release may have failed again and again
            recent = max(record.last_fault_of.get(message_id, -1e9), process.resumed_at)
            # A message may stay invisible for so long.
            excused = max(EXCUSED_SECONDS, self.plan.visibility_seconds)
            if record.last_fault_at < at - EXCUSED_SECONDS and recent < at - excused:
                self._break(at, f"P2: {process.name} left {message_id} invisible")
        for upload in sorted(self.s3.uploads.keys() & record.uploads - record.abort_failed):
            self._break(at, f"P3: {process.name} left {upload}, neither complete nor aborted")
        if left := [task.get_name() for task in process.tasks]:
            self._break(at, f"leak: {process.name} left {left}")

    def _is_settled(self, process: Process, message_id: str, handle: str, at: float) -> bool:
        stored = self.sqs.queues[QUEUE].messages.get(message_id)
        if stored is None or stored.visible_at <= at:
            return True
        if self.ledger.holder[message_id][0] != handle:
            return True  # it was received again
        if self.outcomes.are_durable(message_id, self.ledger.requests[message_id]):
            return True
        # After a duplicate delivery both handles are valid: another worker may hold the message.
        by, _, until = self.ledger.last_change.get(message_id, (process.name, "", None))
        return by != process.name or until == stored.visible_at

    def at_end(self) -> None:
        """Each message has exactly one outcome."""
        self.broken += self.outcomes.wrong()

    def _break(self, at: float, what: str) -> None:
        self.broken.append(f"{at:.3f} s: {what}")

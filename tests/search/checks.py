"""The promises, checked against the books: as things happen, at each exit, and at the end."""

from dataclasses import dataclass, field

from structlog.contextvars import get_contextvars

from tests.search.ledger import ANSWER_SECONDS, Ledger, Output
from tests.search.network import CALL, Call
from tests.search.outcomes import Outcomes
from tests.search.plan import OUTPUT, PREFIX, QUEUE, Plan
from tests.search.pool import predicted
from tests.search.processes import Process
from tests.support.simulation.s3 import S3Effect, SimulatedS3, Written
from tests.support.simulation.sqs import Deleted, Received, SimulatedSqs, SqsEffect
from worker.clock import now

WRITES = ("put_object", "complete_multipart_upload")
EXCUSED_SECONDS = 40.0  # how long a faulty call may take effect late, or keep others waiting


@dataclass
class Checks:
    """Says which promise was broken, how and when."""

    plan: Plan
    ledger: Ledger
    sqs: SimulatedSqs
    s3: SimulatedS3
    broken: list[str] = field(default_factory=list)

    @property
    def outcomes(self) -> Outcomes:
        """What came of everything so far."""
        return Outcomes(self.plan, self.ledger, self.sqs, self.s3)

    def on_call(self, call: Call) -> None:
        """P2: an output is sent only while its message is the worker's own."""
        self.ledger.on_call(call)
        if call.operation not in WRITES or call.caller != "processor":
            return
        message_id, name = get_contextvars()["message_id"], call.process.name
        stored, hand = self.sqs.queues[QUEUE].messages.get(message_id), self.ledger.hands[name]
        if stored is None or message_id in hand.slow:
            return  # nobody who was not told knows how long a call or answer was on its way
        own, (handle, holder) = hand.received.get(message_id), self.ledger.holder[message_id]
        by, through, _ = self.ledger.touched.get(message_id, (name, handle, None))
        # A call taken for failed is made again, by an older handle that may be good all the same.
        overruled = (message_id, name) in self.ledger.overruled
        taken = holder != name and not self.plan.habits.duplicate and not overruled
        # By nobody's hand but time's: where two handles are good, another may let it go.
        is_of_flight = holder == name or own in stored.usable
        expired = is_of_flight and stored.visible_at < now() - ANSWER_SECONDS
        if taken or (expired and (by, through) == (name, handle)):
            self._break(now(), f"P2: {name} uploads for {message_id}, which it lost")

    def on_sqs(self, effect: SqsEffect) -> None:
        """P2: a message is deleted only when its outcome is durable."""
        self.ledger.on_sqs(effect)
        if isinstance(effect, Received) and self._is_too_late():
            self._break(effect.at, f"P2: {effect.message_id} received by a worker that has left")
        if isinstance(effect, Deleted) and effect.queue == QUEUE:
            asked = self.ledger.asked[effect.message_id]
            if not self.outcomes.are_durable(effect.message_id, asked):
                self._break(effect.at, f"P2: {effect.message_id} deleted, no outcome: {asked}")

    def _is_shared(self) -> bool:
        """Tell whether a second handle is good as well: then others may have settled a message."""
        return self.plan.habits.duplicate > 0 or self.plan.habits.stale_handles == "honoured"

    def _is_too_late(self) -> bool:
        call = CALL.get(None)
        return call is not None and call.fate.kind is None and call.process.has_left

    def on_s3(self, effect: S3Effect) -> None:
        """P1, P3: an output is whole, and of a newer version than what it replaces."""
        if not isinstance(effect, Written) or effect.bucket != OUTPUT:
            return
        key = effect.key.removeprefix(f"{PREFIX}/")
        self.ledger.note(effect.at, "s3", f"written {effect.key} {effect.body[:60]!r}")
        if key.startswith("_failed/"):
            return
        version = self.ledger.version_of(key, effect.metadata.get("source-etag", ""))
        if version < 0 or effect.body != predicted(self.ledger.versions[key][version]):
            self._break(effect.at, f"P3: {key} is no prediction of any version: {effect.body!r}")
        output = Output(version, effect.metadata.get("source-sequencer"))
        outputs = self.ledger.written[key]
        if outputs and not self._may_follow(outputs, output):
            self._break(effect.at, f"P1: {key}: {output} written over {outputs[-1]}")
        outputs.append(output)

    def _may_follow(self, outputs: list[Output], output: Output) -> bool:
        """The same bytes go up again only to record a sequencer, where versions have no ids."""
        before = outputs[-1]
        if self.plan.versioned or output.version != before.version:
            return output.version > before.version
        same = {one.sequencer for one in [*outputs, output] if one.version == output.version}
        return len(same) > 1

    def on_lost(self, process: Process, message_id: str) -> None:
        """5.1: a lease is lost through trouble, never in peace."""
        hand, at = self.ledger.hands[process.name], now()
        if message_id in hand.slow and self.plan.habits.stale_handles == "ignored":
            return  # which it perhaps never had: the heartbeats of a stale handle go well for long
        recent = at - EXCUSED_SECONDS - self.plan.visibility_seconds
        if max(hand.trouble, process.thawed_at) < recent and not self._is_shared():
            self._break(at, f"5.1: {process.name} lost {message_id} for no reason")

    def at_exit(self, process: Process, at: float) -> None:
        """P2's exit invariant, for a worker that was not killed."""
        hand = self.ledger.hands[process.name]
        for message_id, handle in hand.received.items():
            settled = self._is_settled(process, message_id, handle, at)
            if settled or message_id in hand.overtaken:
                continue
            if message_id not in hand.named | hand.unheard:
                self._break(at, f"P7: {process.name} left {message_id} behind and does not say so")
            if self.plan.habits.failed_entries:
                continue  # again and again, perhaps
            recent = max(hand.troubled.get(message_id, -1e9), process.thawed_at)
            excused = max(EXCUSED_SECONDS, self.plan.visibility_seconds)  # may be left so long
            if hand.trouble < at - EXCUSED_SECONDS and recent < at - excused:
                self._break(at, f"P2: {process.name} left {message_id} invisible")
        for upload in sorted(self.s3.uploads.keys() & hand.uploads - hand.stuck):
            self._break(at, f"P3: {process.name} left {upload}, neither complete nor aborted")
        if left := [task.get_name() for task in process.tasks]:
            self._break(at, f"leak: {process.name} left {left}")

    def _is_settled(self, process: Process, message_id: str, handle: str, at: float) -> bool:
        stored = self.sqs.queues[QUEUE].messages.get(message_id)
        if stored is None or stored.visible_at <= at:
            return True
        if self.ledger.holder[message_id][0] != handle:
            return True  # it was received again since
        if self.outcomes.are_durable(message_id, self.ledger.asked[message_id]):
            return True
        # Both handles of a message delivered twice are good: another worker may hold it by one.
        by, _, until = self.ledger.touched.get(message_id, (process.name, "", None))
        return by != process.name or until == stored.visible_at

    def at_end(self) -> None:
        """Everything that was uploaded has come to its end, once."""
        self.broken += self.outcomes.wrong()

    def _break(self, at: float, what: str) -> None:
        self.broken.append(f"{at:.3f} s: {what}")

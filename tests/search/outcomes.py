"""What must have come of everything at the end: outputs, dead letters, and nothing besides."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.search.ledger import Asked, Dead, Ledger
from tests.search.plan import MANY, OUTPUT, PREFIX, QUEUE, Plan
from tests.support.simulation.s3 import SimulatedS3
from tests.support.simulation.sqs import SimulatedSqs


@dataclass(frozen=True)
class Outcomes:
    """Judges them by the books and by what S3 and SQS hold."""

    plan: Plan
    ledger: Ledger
    sqs: SimulatedSqs
    s3: SimulatedS3

    def wrong(self) -> Iterator[str]:
        """Everything that was uploaded has come to its end, once."""
        for message_id in self.sqs.queues[QUEUE].messages:
            yield f"P2: {message_id} never left the queue"
        for beat in self.ledger.late_beats:
            yield f"{beat.at:.3f} s: 5.1: a heartbeat after the settlement of {beat.message_id}"
        yield from self._wrong_outputs()
        yield from self._wrong_letters()
        yield from self._strangers()

    def _wrong_outputs(self) -> Iterator[str]:
        for key, versions in self.ledger.versions.items():
            messages = [name for name, asked in self.ledger.asked.items() if asked.key == key]
            gave_up = any(self.ledger.dead_letters(name) for name in messages)
            written = self.ledger.written[key]
            newest = written[-1].version if written else -1
            good = self.ledger.asked[messages[0]].kind == "good"
            if good and not gave_up and newest != len(versions) - 1:
                yield f"P1: {key} has version {newest} of the output, of {len(versions)}"
            if not good and written:
                yield f"P1: {key} has an output: {written}"

    def _wrong_letters(self) -> Iterator[str]:
        for name, asked in self.ledger.asked.items():
            letters = self.ledger.dead_letters(name)
            if asked.kind != "good" and not letters and self.plan.max_receive_count is not None:
                yield f"P7: {name} should be dead-lettered: {asked}"
            for letter in letters:
                if problem := self._wrong_letter(asked, letter):
                    yield f"P7: {name} {problem}: {asked} {letter}"

    def _wrong_letter(self, asked: Asked, letter: Dead) -> str | None:
        most = self.plan.max_receive_count
        assert most is not None
        plenty = most == MANY and not self.plan.habits.duplicate  # which costs receives for ever
        if letter.reasons is None:
            return "ran out of receives" if plenty else None
        error = letter.reasons["error_type"]
        if error == "GaveUp":
            return "was given up too early" if letter.receives < most or plenty else None
        expected = {
            "poison": "Unparsable", "missing": "NoSuchInput", "unreadable": "UnreadableBody",
        }  # fmt: skip
        if expected.get(asked.kind) != error:
            return "is dead for another reason"
        if asked.kind == "unreadable" or letter.receives >= most or self._reported(asked.key):
            return None
        return "has no report"

    def _reported(self, key: str) -> bool:
        return self.s3.buckets[OUTPUT].current(f"{PREFIX}/_failed/{key}.json") is not None

    def _strangers(self) -> Iterator[str]:
        known = {f"{PREFIX}/{key}" for key in self.ledger.versions}
        known |= {f"{PREFIX}/_failed/{asked.key}.json" for asked in self.ledger.asked.values()}
        for key in self.s3.buckets[OUTPUT].keys:
            if key not in known:
                yield f"P3: nobody asked for {key}"

    def are_durable(self, message_id: str, asked: Asked) -> bool:
        """Whether what came of a message will stay."""
        if self.ledger.dead_letters(message_id):
            return True
        if asked.kind != "good":
            return self.plan.max_receive_count is None and self._reported(asked.key)
        versions = self.ledger.versions[asked.key]
        if asked.told and len(versions) - 1 > asked.version:
            return True  # the newer version's own message is on its way, or done
        written = self.ledger.written[asked.key]
        return bool(written) and written[-1].version >= asked.version

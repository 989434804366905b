"""Checks the outcomes at the end: outputs, dead letters, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.search.contents import rejects
from tests.search.ledger import NO_JOB, Dead, Ledger, Request
from tests.search.plan import MANY, OUTPUT, PREFIX, QUEUE, Plan
from tests.support.simulation.s3 import SimulatedS3
from tests.support.simulation.sqs import SimulatedSqs
from worker.jobs.rejected_rows import REJECTS_SUFFIX


@dataclass(frozen=True)
class Outcomes:
    """Checks outcomes against the ledger and the contents of S3 and SQS."""

    plan: Plan
    ledger: Ledger
    sqs: SimulatedSqs
    s3: SimulatedS3

    def wrong(self) -> Iterator[str]:
        """Yield each message without an outcome, and each wrong outcome."""
        for message_id in self.sqs.queues[QUEUE].messages:
            yield f"P2: {message_id} never left the queue"
        for beat in self.ledger.late_heartbeats:
            yield f"{beat.at:.3f} s: 5.1: a heartbeat after the settlement of {beat.message_id}"
        yield from self._wrong_outputs()
        yield from self._wrong_rejects()
        yield from self._wrong_dead_letters()
        yield from self._unexpected_objects()

    def _wrong_outputs(self) -> Iterator[str]:
        for key, versions in self.ledger.versions.items():
            last = len(versions) - 1
            messages = [
                name
                for name, request in self.ledger.requests.items()
                if (request.key, request.version) == (key, last)
            ]
            requests = [self.ledger.requests[name] for name in messages]
            gave_up = any(self.ledger.dead_letters(name) for name in messages)
            dropped = all(self.ledger.is_cancelled(request) for request in requests)
            written = self.ledger.written[key]
            newest = written[-1].version if written else -1
            good = requests[0].kind == "good"
            if good and not gave_up and not dropped and newest != last:
                yield f"P1: {key} has version {newest} of the output, of {len(versions)}"
            if not good and written:
                yield f"P1: {key} has an output: {written}"

    def _wrong_rejects(self) -> Iterator[str]:
        """Rejected rows that are older than their output are of no use to anyone."""
        for key, version in self.ledger.rejects.items():
            requests = self.ledger.requests.items()
            gave_up = any(
                self.ledger.dead_letters(name) for name, request in requests if request.key == key
            )
            written = self.ledger.written[key]
            if not written or gave_up:
                continue
            last = written[-1]
            if version < last.version:
                yield f"P1: {key} is of {last.version}, its rejected rows are of {version}"
            elif version == last.version:
                found = self.s3.buckets[OUTPUT].current(f"{PREFIX}/{key}{REJECTS_SUFFIX}")
                assert found is not None
                if found.body != rejects(self.ledger.versions[key][version], last.encoding):
                    yield f"P1: {key} has the rejected rows of other settings: {found.body!r}"

    def _wrong_dead_letters(self) -> Iterator[str]:
        for name, request in self.ledger.requests.items():
            letters = self.ledger.dead_letters(name)
            if request.kind != "good" and not letters and self._must_die(request):
                yield f"P7: {name} should be dead-lettered: {request}"
            for letter in letters:
                if problem := self._wrong_dead_letter(request, letter):
                    yield f"P7: {name} {problem}: {request} {letter}"

    def _must_die(self, request: Request) -> bool:
        """A version that cannot be predicted is superseded as soon as a newer one is there.

        Nothing is reported of a file whose run is cancelled.
        """
        over = self._has_newer(request) or self.ledger.is_cancelled(request)
        return self.plan.max_receive_count is not None and not over

    def _has_newer(self, request: Request) -> bool:
        return len(self.ledger.versions.get(request.key, ())) - 1 > request.version

    def _wrong_dead_letter(self, request: Request, letter: Dead) -> str | None:
        most = self.plan.max_receive_count
        assert most is not None
        # Duplicates use up receives without limit.
        plenty = most == MANY and not self.plan.has_duplicates
        if letter.reasons is None:
            return "ran out of receives" if plenty else None
        # Of what is no job, or of a version that no worker knows, the run is not known.
        if letter.reasons.get("run") != request.run and request.kind not in NO_JOB:
            return "names another run"
        error = letter.reasons["error_type"]
        if error == "GaveUp":
            return "was given up too early" if letter.receives < most or plenty else None
        expected = {
            "poison": "Unparsable", "missing": "NoSuchInput", "unreadable": "UnreadableBody",
            "refused": "SettingsRefused",
        }  # fmt: skip
        if expected.get(request.kind) != error:
            return "is dead for another reason"
        if request.kind == "unreadable" or letter.receives >= most or self._reported(request.key):
            return None
        return "has no report"

    def _reported(self, key: str) -> bool:
        return self.s3.buckets[OUTPUT].current(f"{PREFIX}/_failed/{key}.json") is not None

    def _unexpected_objects(self) -> Iterator[str]:
        known = {f"{PREFIX}/{key}" for key in self.ledger.versions}
        known |= {f"{PREFIX}/{key}{REJECTS_SUFFIX}" for key in self.ledger.rejects}
        known |= {cancel.key for cancel in self.plan.cancels}
        known |= {
            f"{PREFIX}/_failed/{request.key}.json" for request in self.ledger.requests.values()
        }
        for key in self.s3.buckets[OUTPUT].keys:
            if key not in known:
                yield f"P3: no message asks for {key}"

    def are_durable(self, message_id: str, request: Request) -> bool:
        """Return whether a message's outcome is durable."""
        if self.ledger.dead_letters(message_id) or self.ledger.is_cancelled(request):
            return True
        if request.detailed and self._has_newer(request):
            return True  # the newer version has a message of its own
        written = self.ledger.written[request.key]
        if written and written[-1].version >= request.version:
            return True
        return (
            request.kind != "good"
            and self.plan.max_receive_count is None
            and self._reported(request.key)
        )

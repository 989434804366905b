"""Mutations of the engine: faults put into it on purpose, each of which the search must find."""

import asyncio
import gc
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.search.schedule import play
from tests.support.forked import in_fork
from tests.support.mutation import Mutation, Mutations, Patch, mutated
from worker.aws.call_limits import limited
from worker.aws.errors import map_errors
from worker.clock import now
from worker.errors import (
    LeaseLost,
    PermanentError,
    RunCancelled,
    UnknownMessageVersion,
    UnreadableBody,
    stray_cancellations_as_errors,
)
from worker.events.bus import Event
from worker.interfaces import ScoreOptions, ScoreResult
from worker.job import Done, Job, Message, Outcome, Reject, Release, S3Uri, check_version
from worker.jobs.announcing.announcer import Announcer
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.job_options import JobOptions
from worker.jobs.limits import JobTimeout, JobTimeouts
from worker.jobs.output_keys import cancelled_uri
from worker.jobs.output_writer import OutputWriter
from worker.jobs.patience import Patience
from worker.jobs.processor import Processor
from worker.jobs.rejected_rows import empty_older_rejects, empty_superseded_rejects
from worker.jobs.runner import CheckLease, Runner
from worker.jobs.settlement import Settlement
from worker.lifecycle.cancelled_runs import CancelledRuns, Look
from worker.lifecycle.stop import Stop
from worker.queue.consumer import Consumer, ReceivedBatch, _dated, _wait_for_answer
from worker.queue.deletes import Deletes
from worker.queue.leases import Lease, Leases
from worker.queue.sqs import BATCH_SIZE, EntryResult, SqsQueue, _entry_results
from worker.service.shutdown import Shutdown
from worker.service.start_limit import StartLimit
from worker.service.wiring import Worker
from worker.storage import conditional_write
from worker.storage.conditional_write import Replaces, WriteResult
from worker.storage.protocol import Head, Storage
from worker.storage.provenance import InputVersion
from worker.storage.s3 import _checked, _condition
from worker.storage.streaming import Upload

ROOT = Path(__file__).parents[2]
MOST_SCHEDULES = 300
MUTATIONS = Mutations()


def caught(mutation: Mutation) -> str:
    """Return the first promise that the search finds broken by a mutation; empty if none is."""
    return in_fork(partial(_first_broken, mutation))


def _first_broken(mutation: Mutation) -> str:
    gc.freeze()  # so that no garbage collection looks through the modules
    with mutated(mutation):
        for seed in (mutation.seed, *range(MOST_SCHEDULES)):
            if broken := play(seed).broken:
                return f"seed {seed}: {broken[0]}"
    return ""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the project."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@MUTATIONS.add("a message is deleted before its event is sent", seed=0)
def _(patch: Patch) -> None:
    send = Announcer._send
    under_way = set()

    async def in_the_background(
        self: Announcer, message: Message, event: Event, deadline: float
    ) -> bool:
        under_way.add(asyncio.ensure_future(send(self, message, event, deadline)))
        return True

    patch.replace(send, in_the_background)


@MUTATIONS.add("an event that is not sent fails its file on the last receive", seed=102)
def _(patch: Patch) -> None:
    send = Announcer._send

    async def as_on_any_receive(
        self: Announcer, message: Message, event: Event, deadline: float
    ) -> bool:
        return await send(self, replace(message, last_receive=False), event, deadline)

    patch.replace(send, as_on_any_receive)


@MUTATIONS.add("a message is deleted before its output is written", seed=1)
def _(patch: Patch) -> None:
    publish = OutputWriter.publish
    under_way = set()

    async def in_the_background(self: OutputWriter, score: ScoreResult) -> WriteResult:
        under_way.add(asyncio.ensure_future(publish(self, score)))
        return WriteResult.NEW

    patch.replace(publish, in_the_background)


@MUTATIONS.add("heartbeats stop when the drain starts", seed=111)
def _(patch: Patch) -> None:
    release_unstarted = Worker.release_unstarted  # which is called when the last poll has ended
    heartbeats: dict[Leases, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def kept_alive(self: Leases) -> AsyncIterator[None]:
        heartbeats[self] = asyncio.create_task(self._beat_until_cancelled(), name="heartbeat")
        yield

    async def cancel_heartbeats(self: Worker, *, hurry: bool = False) -> None:
        heartbeats[self.leases].cancel()
        await asyncio.wait([heartbeats[self.leases]])
        await release_unstarted(self, hurry=hurry)

    patch.replace(Leases.kept_alive, kept_alive)
    patch.replace(release_unstarted, cancel_heartbeats)


@MUTATIONS.add("a batch is claimed message by message", seed=204)
def _(patch: Patch) -> None:
    receive, claim = Consumer._receive, Consumer._claim
    counts: dict[int, int] = {}

    async def receive_and_claim(self: Consumer, slots: int) -> ReceivedBatch:
        batch, count = await receive(self, slots), 0
        for message in batch.messages:
            count += claim(self, ReceivedBatch([message], batch.answered))
            await asyncio.sleep(1)
        counts[id(batch)] = count
        return batch

    def count_claimed(self: Consumer, batch: ReceivedBatch) -> int:
        return counts.pop(id(batch)) if id(batch) in counts else claim(self, batch)

    patch.replace(receive, receive_and_claim)
    patch.replace(claim, count_claimed)


@MUTATIONS.add("a deadline moves before the heartbeat has succeeded", seed=64)
def _(patch: Patch) -> None:
    beat = Leases._beat

    async def move_and_beat(self: Leases, batch: Sequence[Lease]) -> None:
        sent = now()
        for lease in batch:
            lease.deadline = sent + lease.extension(sent, self._times)
        await beat(self, batch)

    patch.replace(beat, move_and_beat)


@MUTATIONS.add("the lease is not checked before an upload", seed=441)
def _(patch: Patch) -> None:
    write = conditional_write.write

    async def write_unchecked(
        storage: Storage,
        target: S3Uri,
        put: Callable[[str | None], Awaitable[None]],
        *,
        version: InputVersion,
        replaces: Replaces,
        check_lease: Callable[[], None],
    ) -> WriteResult:
        return await write(
            storage, target, put, version=version, replaces=replaces, check_lease=lambda: None
        )

    patch.replace(write, write_unchecked)


@MUTATIONS.add("a message is settled while a heartbeat is under way", seed=1071)
def _(patch: Patch) -> None:
    end = Leases.end

    async def end_at_once(self: Leases, message: Message) -> Lease:
        self._lease_of(message).beat = None
        return await end(self, message)

    patch.replace(end, end_at_once)


@MUTATIONS.add("messages that were not started are not released", seed=30)
def _(patch: Patch) -> None:
    async def not_at_all(
        self: Settlement, messages: Sequence[Message], *, hurry: bool = False
    ) -> None:
        pass

    patch.replace(Settlement.release, not_at_all)


@MUTATIONS.add("a poll under way is cancelled", seed=57)
def _(patch: Patch) -> None:
    async def wait_unshielded(poll: "asyncio.Future[list[Message]]") -> float:
        looked = now()
        await poll
        return looked

    patch.replace(_wait_for_answer, wait_unshielded)


@MUTATIONS.add("an output is written without a condition", seed=0)
def _(patch: Patch) -> None:
    condition = _condition

    def none_for_new_ones(replacing: str | None) -> dict[str, Any]:
        return {} if replacing is None else condition(replacing)

    patch.replace(condition, none_for_new_ones)


@MUTATIONS.add("a rejected message is deleted without its dead letter", seed=0)
def _(patch: Patch) -> None:
    async def as_if_sent(self: SqsQueue, body: str, attributes: Mapping[str, str]) -> bool:
        return True

    patch.replace(SqsQueue.send_to_dead_letters, as_if_sent)


@MUTATIONS.add("a job has no time limit", seed=37)
def _(patch: Patch) -> None:
    create = JobTimeouts.__init__

    def create_without_end(self: JobTimeouts, seconds: float) -> None:
        create(self, 10**9)

    patch.replace(create, create_without_end)


@MUTATIONS.add("a write to S3 has no time limit", seed=44)
def _(patch: Patch) -> None:
    limit = limited

    @asynccontextmanager
    async def limit_reads(
        call: str, doing: str, *, size: int = 0, wait_seconds: float = 0
    ) -> AsyncIterator[None]:
        if call in ("put", "begin", "put_part", "complete", "abort"):
            with map_errors(doing):
                yield
        else:
            async with limit(call, doing, size=size, wait_seconds=wait_seconds):
                yield

    patch.replace(limit, limit_reads)


@MUTATIONS.add("the start has no time limit", seed=26)
def _(patch: Patch) -> None:
    @asynccontextmanager
    async def not_at_all(self: StartLimit, stop: Stop) -> AsyncIterator[None]:
        yield

    patch.replace(StartLimit.applied, not_at_all)


@MUTATIONS.add("a cancellation that nobody requested ends what it meets", seed=52)
def _(patch: Patch) -> None:
    @contextmanager
    def not_at_all() -> Iterator[None]:
        yield

    patch.replace(stray_cancellations_as_errors, not_at_all)


@MUTATIONS.add("a message that is received again in hand starts a second job", seed=41)
def _(patch: Patch) -> None:
    claim = Leases.claim

    def claim_as_new(self: Leases, message: Message, *, answered: float | None = None) -> bool:
        claim(self, message, answered=answered)
        return True

    patch.replace(claim, claim_as_new)


@MUTATIONS.add("a message that is received again in hand keeps its older count", seed=985)
def _(patch: Patch) -> None:
    def not_the_latest(self: Leases, message: Message) -> Message:
        return message

    patch.replace(Leases.latest, not_the_latest)


@MUTATIONS.add("a suspect job does not run exclusively", seed=12)
def _(patch: Patch) -> None:
    run_job = Runner.run

    async def run_beside_others(
        self: Runner,
        job: Job,
        *,
        check_lease: CheckLease,
        exclusive: bool = False,
    ) -> Done:
        return await run_job(self, job, check_lease=check_lease, exclusive=False)

    patch.replace(run_job, run_beside_others)


@MUTATIONS.add("a slot is lost with each lost lease", seed=9)
def _(patch: Patch) -> None:
    process, confirm, cancel_if_lost = Processor.process, Leases.confirm, Leases.cancel_if_lost
    lost = ContextVar("lost", default=False)

    async def note_in_confirm(self: Leases, message: Message) -> None:
        with _noted(lost):
            await confirm(self, message)

    @contextmanager
    def note_in_block(self: Leases, message: Message) -> Iterator[None]:
        with _noted(lost), cancel_if_lost(self, message):
            yield

    async def process_and_lose_the_slot(self: Processor, message: Message) -> None:
        lost.set(False)
        await process(self, message)
        if lost.get():
            self.slots.give_back(-1)

    patch.replace(confirm, note_in_confirm)
    patch.replace(cancel_if_lost, note_in_block)
    patch.replace(process, process_and_lose_the_slot)


@contextmanager
def _noted(lost: ContextVar[bool]) -> Iterator[None]:
    try:
        yield
    except LeaseLost:
        lost.set(True)
        raise


@MUTATIONS.add("the buffer is released while a poll is under way", seed=54)
def _(patch: Patch) -> None:
    on_stop, release_unstarted = Shutdown.on_stop, Worker.release_unstarted

    async def release_on_stop(self: Shutdown, finish_seconds: float) -> None:
        await on_stop(self, finish_seconds)
        await release_unstarted(self._worker)

    async def not_later(self: Worker, *, hurry: bool = False) -> None:
        pass

    patch.replace(on_stop, release_on_stop)
    patch.replace(release_unstarted, not_later)


@MUTATIONS.add("a message whose job the deadline cancels is not released", seed=30)
def _(patch: Patch) -> None:
    settle = Settlement.settle

    async def settle_unless_cancelled(self: Settlement, message: Message, outcome: Outcome) -> None:
        task = asyncio.current_task()
        assert task is not None
        if not (isinstance(outcome, Release) and task.cancelling()):
            await settle(self, message, outcome)

    patch.replace(settle, settle_unless_cancelled)


@MUTATIONS.add("a late answer is dated by when it is read", seed=669)
def _(patch: Patch) -> None:
    def dated_now(
        messages: Sequence[Message],
        last_look: float,
        sent: float,
        seconds: int,
    ) -> ReceivedBatch:
        return ReceivedBatch(messages, now())

    patch.replace(_dated, dated_now)


@MUTATIONS.add("an entry of a batch that failed counts as done", seed=0)
def _(patch: Patch) -> None:
    entry_results = _entry_results

    def failed_is_ok(count: int, response: Any) -> list[EntryResult]:  # noqa: ANN401 - boto's types
        results = entry_results(count, response)
        return [EntryResult.OK if one is EntryResult.FAILED else one for one in results]

    patch.replace(entry_results, failed_is_ok)


@MUTATIONS.add("a rejected message keeps its lease", seed=2)
def _(patch: Patch) -> None:
    reject, delete = Settlement._reject, Settlement._delete
    rejects = ContextVar("rejects", default=False)

    async def note_and_reject(self: Settlement, message: Message, outcome: Reject) -> None:
        rejects.set(True)
        await reject(self, message, outcome)

    async def delete_by_handle(self: Settlement, message: Message, seconds: float | None) -> None:
        if rejects.get():
            self._deletes.add(message.id, message.receipt_handle)
        else:
            await delete(self, message, seconds)

    patch.replace(reject, note_and_reject)
    patch.replace(delete, delete_by_handle)


@MUTATIONS.add("an older version replaces a newer one", seed=12)
def _(patch: Patch) -> None:
    decide = conditional_write._decide

    async def for_the_later_writer(
        storage: Storage, target: S3Uri, existing: Head, version: InputVersion, replaces: Replaces
    ) -> WriteResult:
        result = await decide(storage, target, existing, version, replaces)
        by_sequencer = version.sequencer and existing.metadata.get("source-sequencer")
        return WriteResult.REPLACED if result is WriteResult.SUPERSEDED and by_sequencer else result

    patch.replace(decide, for_the_later_writer)


@MUTATIONS.add("an outdated version that fails is dead-lettered", seed=30)
def _(patch: Patch) -> None:
    is_superseded = DeadLetters._is_superseded

    async def never(
        self: DeadLetters,
        message: Message,
        job: Job,
        failed_etag: str | None,
        failed_version_id: str | None,
    ) -> bool:
        return False

    patch.replace(is_superseded, never)


@MUTATIONS.add("a failed version without a sequencer does not start again", seed=123)
def _(patch: Patch) -> None:
    check_current = Runner._check_current

    async def not_at_all(
        self: Runner, job: Job, read: InputVersion | None, error: PermanentError
    ) -> None:
        pass

    patch.replace(check_current, not_at_all)


@MUTATIONS.add("rejected rows of an older version are not emptied", seed=4)
def _(patch: Patch) -> None:
    async def not_at_all(
        storage: Storage,
        output: S3Uri,
        version: InputVersion,
        *,
        metadata: Mapping[str, str],
        replaces: Replaces,
        check_lease: Callable[[], None],
    ) -> None:
        pass

    patch.replace(empty_older_rejects, not_at_all)


@MUTATIONS.add("a superseded version leaves its rejected rows", seed=3601)
def _(patch: Patch) -> None:
    async def not_at_all(
        storage: Storage,
        output: S3Uri,
        source: S3Uri,
        *,
        metadata: Mapping[str, str],
        check_lease: Callable[[], None],
    ) -> None:
        pass

    patch.replace(empty_superseded_rejects, not_at_all)


@MUTATIONS.add("a truncated body is predicted", seed=153)
def _(patch: Patch) -> None:
    checked = _checked

    def checked_if_empty(uri: S3Uri, body: bytes, size: int) -> bytes:
        return body or checked(uri, body, size)

    patch.replace(checked, checked_if_empty)


@MUTATIONS.add("an abandoned upload is not aborted", seed=5)
def _(patch: Patch) -> None:
    async def not_at_all(self: Upload) -> None:
        pass

    patch.replace(Upload.abandon, not_at_all)


@MUTATIONS.add("an upload is not aborted when the job is cancelled", seed=11)
def _(patch: Patch) -> None:
    leave = OutputWriter.__aexit__

    async def leave_unless_cancelled(
        self: OutputWriter,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            await leave(self, kind, error, trace)

    patch.replace(leave, leave_unless_cancelled)


@MUTATIONS.add("an infrastructure error gives the message back at once", seed=0)
def _(patch: Patch) -> None:
    call = Patience.call

    async def call_once(self: Patience, once: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - of any call
        return await once()

    patch.replace(call, call_once)


@MUTATIONS.add("messages are received while the breaker is tripped", seed=64)
def _(patch: Patch) -> None:
    limit = Consumer._limit

    async def always_ten(self: Consumer) -> int:
        return BATCH_SIZE

    patch.replace(limit, always_ten)


@MUTATIONS.add("messages are received while deletes fail", seed=46)
def _(patch: Patch) -> None:
    flush = Deletes._flush

    async def flush_unnoticed(self: Deletes, *, full_batches_only: bool = False) -> None:
        await flush(self, full_batches_only=full_batches_only)
        self.failing = False

    patch.replace(flush, flush_unnoticed)


@MUTATIONS.add("messages are received while heartbeats fail", seed=0)
def _(patch: Patch) -> None:
    send_beat = Leases._send_beat

    async def send_unnoticed(
        self: Leases, changes: Sequence[tuple[str, int]]
    ) -> Sequence[EntryResult]:
        results = await send_beat(self, changes)
        self._failing_since = None
        return results

    patch.replace(send_beat, send_unnoticed)


@MUTATIONS.add("a message of a later version is predicted as if it were known", seed=12)
def _(patch: Patch) -> None:
    def not_at_all(body: str) -> None:
        pass

    patch.replace(check_version, not_at_all)


@MUTATIONS.add("a message of a later version is not given back", seed=12)
def _(patch: Patch) -> None:
    check = check_version

    def refuse(body: str) -> None:
        try:
            check(body)
        except UnknownMessageVersion as error:
            raise UnreadableBody(str(error)) from None

    patch.replace(check, refuse)


@MUTATIONS.add("a job's settings leak to the next job", seed=9)
def _(patch: Patch) -> None:
    options_of = JobOptions.of
    latest: dict[JobOptions, ScoreOptions] = {}

    def of_the_latest(self: JobOptions, job: Job) -> ScoreOptions:
        if job.settings:
            latest[self] = options_of(self, job)
        return latest.get(self) or options_of(self, job)

    patch.replace(options_of, of_the_latest)


@MUTATIONS.add("a job's settings are ignored", seed=4)
def _(patch: Patch) -> None:
    def own(self: JobOptions, job: Job) -> ScoreOptions:
        return self._own

    patch.replace(JobOptions.of, own)


@MUTATIONS.add("a dead letter does not name its run", seed=1)
def _(patch: Patch) -> None:
    attributes = DeadLetters._attributes

    def without_run(self: DeadLetters, message: Message, rejection: Reject) -> dict[str, str]:
        found = attributes(self, message, rejection)
        found.pop("run", None)
        return found

    patch.replace(attributes, without_run)


@MUTATIONS.add("a run is looked at once and never again", seed=9)
def _(patch: Patch) -> None:
    last_or_new = CancelledRuns._last_or_new

    async def once(self: CancelledRuns, mark: S3Uri, head: Look) -> bool:
        is_cancelled = await last_or_new(self, mark, head)
        self._known[mark] = math.inf, is_cancelled
        return is_cancelled

    patch.replace(last_or_new, once)


@MUTATIONS.add("a cancelled run takes files with it that were submitted again", seed=27)
def _(patch: Patch) -> None:
    uri = cancelled_uri

    def of_any_run(job: Job) -> S3Uri | None:
        return uri(job.model_copy(update={"redrives": 0}))

    patch.replace(uri, of_any_run)


@MUTATIONS.add("a cancelled run takes live files with it", seed=23)
def _(patch: Patch) -> None:
    uri = cancelled_uri

    def of_any_file(job: Job) -> S3Uri | None:
        return uri(job.model_copy(update={"run": job.run or "r1"}))

    patch.replace(uri, of_any_file)


@MUTATIONS.add("a message of a cancelled run is dead-lettered", seed=22)
def _(patch: Patch) -> None:
    run_to_newest = Runner.run_to_newest

    async def refuse(
        self: Runner, job: Job, check_lease: CheckLease, job_timeout: JobTimeout, *, exclusive: bool
    ) -> Done:
        try:
            return await run_to_newest(self, job, check_lease, job_timeout, exclusive=exclusive)
        except RunCancelled as error:
            raise PermanentError(str(error)) from None

    patch.replace(run_to_newest, refuse)


@MUTATIONS.add("the files of two jobs with other settings are mixed", seed=373)
def _(patch: Patch) -> None:
    async def never(self: OutputWriter, target: S3Uri) -> bool:
        return False

    patch.replace(OutputWriter._has_only_the_rejects, never)

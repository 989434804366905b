"""Dead letters: a rejected message is reported, then sent to the dead-letter queue."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from worker.errors import InputOverwritten, PermanentError, TransientError
from worker.job import Job, Message, Reject, S3Uri
from worker.jobs.announcing.announcer import Announcer
from worker.jobs.dead_letter_attributes import fitting_attributes
from worker.jobs.failure_reports import FailureReports, Origin, version_that_failed
from worker.queue.leases import Leases
from worker.queue.sqs import SqsQueue
from worker.storage.protocol import Storage
from worker.storage.provenance import is_replaced

log = structlog.get_logger()

# Empties the rejected rows that a version left beside a newer output; may raise any error.
EmptyRejects = Callable[[Job, Callable[[], None]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a rejection is recorded."""

    report: S3Uri | None
    dead_letter: bool


class DeadLetters:
    """Records rejections while their message is still held."""

    def __init__(
        self,
        queue: SqsQueue,
        *,
        queue_name: str,
        origin: Origin,
        leases: Leases,
        reports: FailureReports,
        storage: Storage,
        announcer: Announcer,
        empty_superseded_rejects: EmptyRejects,
    ) -> None:
        self._queue = queue
        self._queue_name = queue_name
        self._origin = origin
        self._leases = leases
        self._reports = reports
        self._storage = storage
        self._announcer = announcer
        self._empty_superseded_rejects = empty_superseded_rejects

    async def record(self, message: Message, rejection: Reject) -> Recorded | None:
        """Write the report, send event and dead letter; raises TransientError and LeaseLost.

        Returns None, and records nothing, if a newer version of the input has superseded the one
        that failed. If no other message may name the newer version, raises InputOverwritten.
        """
        if rejection.job is not None:
            error = rejection.error
            await self._leave_no_older_rejects(message, rejection.job)
            if await self._is_superseded(message, rejection.job, *error.failed_version):
                return None
        report = await self._report(message, rejection)
        # Before the dead letter: while the event cannot be sent, no attempt leaves another one.
        await self._announcer.failed(message, rejection, report)
        self._leases.check(message)
        attributes = self._attributes(message, rejection)
        room = self._queue.dead_letter_bytes - len(message.body.encode())
        attributes = fitting_attributes(attributes, room)
        sent = await self._queue.send_to_dead_letters(message.body, attributes)
        return Recorded(report, dead_letter=sent)

    async def _leave_no_older_rejects(self, message: Message, job: Job) -> None:
        """Empty what an earlier attempt may have left; no later attempt will look after it."""
        try:
            with suppress(PermanentError):  # with a key or settings that are refused there are none
                await self._empty_superseded_rejects(job, partial(self._leases.check, message))
        except TransientError as failure:
            if not message.last_receive:
                raise
            log.warning("rejected rows not emptied", failure=str(failure))

    async def _is_superseded(
        self, message: Message, job: Job, failed_etag: str | None, failed_version_id: str | None
    ) -> bool:
        """Return whether a newer version of the input is there, with a message of its own.

        Without a sequencer the runner has looked and found none, but an outage may have passed
        since.
        """
        etag, version_id = job.etag, job.version_id
        if job.sequencer is None:
            etag, version_id = failed_etag, failed_version_id
        if etag is version_id is None:
            return False
        try:
            current = await self._storage.head(job.source)
            replaced = is_replaced(current, etag=etag, version_id=version_id)
            if replaced and job.sequencer is None:
                raise InputOverwritten(f"{job.source} was overwritten before its failure was noted")
        except TransientError:
            if not message.last_receive:
                raise
            return False  # the dead letter has the reason, and there is no later chance to send it
        return replaced

    async def _report(self, message: Message, rejection: Reject) -> S3Uri | None:
        """Write the report; returns None if the message does not say where, or on a failure."""
        if rejection.job is None:
            return None
        self._leases.check(message)
        try:
            return await self._reports.write(rejection.job, rejection.error, message.receive_count)
        except (PermanentError, TransientError) as failure:
            if isinstance(failure, TransientError) and not message.last_receive:
                raise
            # The dead letter has the reason as well, and there may be no other chance to send it.
            log.warning("failure report not written", failure=str(failure))
            return None

    def _attributes(self, message: Message, rejection: Reject) -> dict[str, str]:
        """Return the reason as attributes, the most important first; SQS takes ten."""
        job, error = rejection.job, rejection.error
        etag, version_id = version_that_failed(job, error) if job else (None, None)
        attributes = {
            "error_type": type(error).__name__,
            "error_message": str(error),
            "receive_count": str(message.receive_count),
            "source_queue": self._queue_name,
            "source_message_id": message.id,
            "run": job.run if job else None,
            "worker": self._origin.worker,
            "model_sha256": self._origin.model_sha256,
            "input_version": version_id or etag,
        }
        return {name: text for name, text in attributes.items() if text is not None}

"""What is kept of a job that fails for good: a report beside its output, and a dead letter."""

import re
from dataclasses import dataclass

import structlog

from worker.errors import PermanentError, TransientError
from worker.job import Message, Reject, S3Uri
from worker.jobs.failure_reports import FailureReports
from worker.jobs.redrive import RedrivePolicy
from worker.queue.leases import Leases
from worker.queue.sqs import Queue

log = structlog.get_logger()

ATTRIBUTE_LENGTH = 1000  # characters; ten of these fit beside a body
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a rejection is on record."""

    report: S3Uri | None
    dead_letter: bool


class DeadLetters:
    """Puts rejections on record, while the message is still ours."""

    def __init__(
        self,
        queue: Queue,
        *,
        queue_name: str,
        leases: Leases,
        reports: FailureReports,
        redrive: RedrivePolicy,
    ) -> None:
        self._queue = queue
        self._queue_name = queue_name
        self._leases = leases
        self._reports = reports
        self._redrive = redrive

    async def keep(self, message: Message, rejection: Reject) -> Kept:
        """Write the report and send the dead letter; raises TransientError and LeaseLost."""
        report = await self._report(message, rejection)
        self._leases.check(message)
        reasons = self._reasons(message, rejection.error)
        return Kept(report, await self._queue.dead_letter(message.body, reasons))

    async def _report(self, message: Message, rejection: Reject) -> S3Uri | None:
        """Write the report, where the message says where; None when there can be none."""
        if rejection.job is None:
            return None
        self._leases.check(message)
        try:
            return await self._reports.write(rejection.job, rejection.error, message.receive_count)
        except (PermanentError, TransientError) as failure:
            if isinstance(failure, TransientError) and not self._redrive.is_last(message):
                raise
            # The dead letter has the reason too, if it is sent now.
            log.warning("no failure report", failure=str(failure))
            return None

    def _reasons(self, message: Message, error: BaseException) -> dict[str, str]:
        """Say in message attributes, of which SQS takes ten, why a message is dead."""
        reasons = {
            "error_type": type(error).__name__,
            "error_message": str(error),
            "receive_count": str(message.receive_count),
            "source_queue": self._queue_name,
            "source_message_id": message.id,
        }
        return {
            name: NOT_IN_XML.sub("?", text)[:ATTRIBUTE_LENGTH] or "?"
            for name, text in reasons.items()
        }

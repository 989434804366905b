"""What the queue's redrive policy means for a message's later receives."""

from dataclasses import dataclass

from worker.errors import GaveUp, UnreadableBody
from worker.job import Job, Message, Outcome, Reject, Release, Retry

SUSPECT_WITHOUT_POLICY = 4  # receives


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """How often SQS delivers a message; None for as often as it takes."""

    max_receive_count: int | None

    def is_last(self, message: Message) -> bool:
        """Tell whether SQS will not deliver it again."""
        return (
            self.max_receive_count is not None and message.receive_count >= self.max_receive_count
        )

    def runs_exclusively(self, message: Message) -> bool:
        """Tell whether it failed so often that it may be what kills workers: it runs alone then.

        On the last two receives there are, so that the last is not the only one; never on the
        first.
        """
        if self.max_receive_count is None:
            return message.receive_count >= SUSPECT_WITHOUT_POLICY
        return message.receive_count >= max(2, self.max_receive_count - 1)

    def final(self, message: Message, outcome: Outcome) -> Outcome:
        """Turn what the last receive came to into a rejection with its reason.

        SQS would move the message all the same, and without one.
        """
        if self.is_last(message):
            match outcome:
                case Retry(error=error, job=job):
                    return Reject(_gave_up(message, str(error), error), job)
                case Release():
                    return Reject(_gave_up(message, "the worker had to stop"), _job(message))
        return outcome


def _gave_up(message: Message, why: str, cause: BaseException | None = None) -> GaveUp:
    error = GaveUp(f"gave up after {message.receive_count} receives: {why}")
    error.__cause__ = cause
    return error


def _job(message: Message) -> Job | None:
    try:
        return Job.parse(message.body)
    except UnreadableBody:
        return None

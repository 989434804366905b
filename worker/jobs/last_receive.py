"""The last receive of a message: its outcome becomes a rejection, so that it has a reason.

SQS would move the message to the dead-letter queue all the same, but without a reason.
"""

from worker.errors import GaveUp, UnreadableBody
from worker.job import Job, Message, Outcome, Reject, Release, Retry


def final_outcome(message: Message, outcome: Outcome) -> Outcome:
    """Return the outcome to carry out: on the last receive, Retry and Release become Reject."""
    if message.last_receive:
        match outcome:
            case Retry(error=error, job=job):
                return Reject(_gave_up(message, str(error), error), job)
            case Release():
                error = _gave_up(message, "the worker had to stop")
                return Reject(error, _job(message), stopping=True)
    return outcome


def _gave_up(message: Message, reason: str, cause: BaseException | None = None) -> GaveUp:
    error = GaveUp(f"gave up after {message.receive_count} receives: {reason}")
    error.__cause__ = cause
    return error


def _job(message: Message) -> Job | None:
    try:
        return Job.parse(message.body)
    except UnreadableBody:
        return None

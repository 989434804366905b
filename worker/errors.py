"""Errors, grouped by what the worker does about them.

Every class takes one message, a sentence for the person who must act. An error can therefore be
pickled, and leaves a pool process unchanged.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class TidegateError(Exception):
    """The base class of every error that this project raises."""


def error_text(error: BaseException) -> str:
    """Return the error's message, or its class name if that is empty (as for TimeoutError)."""
    return str(error) or type(error).__name__


def is_cancelled() -> bool:
    """Return whether somebody has cancelled the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def stray_cancellations_as_errors() -> Iterator[None]:
    """Raise StrayCancellation for a CancelledError of the block that nobody requested.

    A library may let one escape from within. A task that ends in a CancelledError counts as
    cancelled, so a task group would ignore its end, and whatever waits for its work would hang.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise StrayCancellation("interrupted, though nobody cancelled it") from error


class SettingsError(TidegateError):
    """A setting is missing or wrong, or two settings contradict each other: exit status 2."""


class FatalError(TidegateError):
    """The worker cannot go on: it releases every message and exits with status 1."""


class LoopFailed(FatalError):
    """A background loop of the worker failed with an error that the worker does not handle."""


class ModelError(FatalError):
    """The model is missing, is refused, or cannot be loaded."""


class LeaseLost(TidegateError):
    """The worker no longer holds the message: it must not upload or settle anything for it."""


class RunCancelled(TidegateError):
    """Somebody has cancelled the run that the job belongs to: its message is deleted."""


class TransientError(TidegateError):
    """The same job may succeed later: its message becomes visible again after a backoff."""


class InfrastructureError(TransientError):
    """AWS, or the way to AWS, failed: a throttle, a 5xx, a timeout, a broken connection."""


class AccessDenied(TransientError):
    """Access to an object of the job is denied: only a person can change that."""


class ProcessLost(TransientError):
    """The pool process that ran the job died."""


class StrayCancellation(TransientError):
    """A task was interrupted by a CancelledError, but nobody had cancelled the task."""


class NeedsMemory(TransientError):
    """A file needs more bytes than were reserved for it; the message is that number of bytes."""

    @property
    def size(self) -> int:
        """The bytes that the file needs."""
        return int(self.args[0])


class NeedsTypes(TransientError):
    """The types of a file's first rows do not fit a later one; the message is the right types."""


class UnknownMessageVersion(TransientError):
    """The message is of a version that this worker does not know; a newer worker may know it."""


class InputOverwritten(TransientError):
    """The input was overwritten after its message was sent."""


class PermanentError(TidegateError):
    """No attempt at this job can succeed: it is reported and dead-lettered.

    `failed_version` is the ETag and the version id of the input that failed, where they are known.
    """

    failed_version: tuple[str | None, str | None] = (None, None)


class UnreadableBody(PermanentError):
    """The message body is not a job."""


class SettingsRefused(PermanentError):
    """The message sets what a message may not set, or sets a wrong value."""


class NoSuchInput(PermanentError):
    """The input object does not exist, or is archived."""


class Unparsable(PermanentError):
    """The input is not a table in a known format."""


class SchemaMismatch(PermanentError):
    """The table does not have the columns that the model needs."""


class TooManyRejected(PermanentError):
    """More rows are bad than WORKER_MAX_REJECTED allows."""


class PredictionFailed(PermanentError):
    """The model raised, or did not return one prediction for each row."""


class ModelRaised(PredictionFailed):
    """The model raised on rows that have the columns it needs."""


class OutputRefused(PermanentError):
    """The output may not be written where the job says."""


class GaveUp(PermanentError):
    """The job failed on the last receive that the queue's redrive policy allows."""

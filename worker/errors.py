"""What can go wrong, sorted by what is done about it.

Every class takes one message, a sentence for the person who must act, so that an error survives
the way out of a pool process unchanged.
"""


class TidegateError(Exception):
    """The base of every error this project raises itself."""


def error_text(error: BaseException) -> str:
    """Say what an error says, or what it is: a timeout says nothing."""
    return str(error) or type(error).__name__


class SettingsError(TidegateError):
    """A setting is missing or wrong, or two contradict each other: the start ends with status 2."""


class FatalError(TidegateError):
    """The worker cannot go on: everything is released and the process ends with status 1."""


class LoopFailed(FatalError):
    """A loop of the worker died of something that nobody foresaw."""


class ModelError(FatalError):
    """The model is missing, refused or cannot be loaded."""


class LeaseLost(TidegateError):
    """The message is no longer ours: nothing may be uploaded or settled for it."""


class TransientError(TidegateError):
    """The same attempt may succeed later: the message comes back after a backoff."""


class ProcessLost(TransientError):
    """The pool process that worked on the job died."""


class NeedsMemory(TransientError):
    """A file cannot be read in as few bytes as were reserved for it; says how many it takes."""

    @property
    def size(self) -> int:
        """In bytes."""
        return int(self.args[0])


class InputOverwritten(TransientError):
    """The object is no longer the one the message speaks of."""


class PermanentError(TidegateError):
    """No attempt at this job can succeed: it is reported and dead-lettered."""


class UnreadableBody(PermanentError):
    """The message is not a job."""


class NoSuchInput(PermanentError):
    """The input object does not exist, or cannot be read as it is stored."""


class Unparsable(PermanentError):
    """The input is not a table in a format that is known."""


class SchemaMismatch(PermanentError):
    """The table does not have the columns that the model needs."""


class TooManyRejected(PermanentError):
    """More rows are bad than WORKER_MAX_REJECTED allows."""


class PredictionFailed(PermanentError):
    """The model raised, or answered something that is not one prediction a row."""


class ModelRaised(PredictionFailed):
    """The model raised on rows whose columns are what it needs."""


class OutputRefused(PermanentError):
    """The output may not be written where the job says."""


class GaveUp(PermanentError):
    """The last receive that the queue's redrive policy allows did not succeed either."""

"""The queue's redrive policy, and what it decides for each receive of a message."""

from dataclasses import dataclass

EXCLUSIVE_WITHOUT_POLICY = 4  # receives


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """How often SQS delivers a message before it dead-letters the message; None: without limit."""

    max_receive_count: int | None

    def is_last(self, receive_count: int) -> bool:
        """Return whether SQS will not deliver the message again after this receive."""
        return self.max_receive_count is not None and receive_count >= self.max_receive_count

    def is_exclusive(self, receive_count: int) -> bool:
        """Return whether the job must run while no other job runs, as it may kill its process.

        These are the last two receives, so that not only the very last one is exclusive, but never
        the first receive.
        """
        if self.max_receive_count is None:
            return receive_count >= EXCLUSIVE_WITHOUT_POLICY
        return receive_count >= max(2, self.max_receive_count - 1)

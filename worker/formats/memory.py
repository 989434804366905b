"""The memory that one job may use to hold parts of its file."""

from collections.abc import Callable

from worker.errors import Unparsable
from worker.interfaces import ScoreOptions


class InputMemory:
    """Keeps the bytes of a file that are in memory within those reserved for its job.

    A job starts with `ScoreOptions.reserved_bytes`. It may ask for more, up to `memory_bytes`; the
    job is then started again with so many bytes reserved.
    """

    def __init__(self, reserve: Callable[[int], None], options: ScoreOptions) -> None:
        self._reserve = reserve
        self.limit = options.memory_bytes
        self.reserved = min(options.reserved_bytes, options.memory_bytes)

    def reserve(self, size: int) -> None:
        """Make sure that at least `size` bytes, which must be within the limit, are reserved."""
        if size > self.reserved:
            self.reserved = size
            self._reserve(size)

    def hold(self, size: int) -> None:
        """Make sure that the rows of one batch, which take `size` bytes so far, may be held.

        Raises Unparsable if they exceed the limit.
        """
        if size > self.limit:
            raise Unparsable(
                "the rows of one batch, and the malformed ones between them, take more than the "
                f"{self.limit // 2**20} MiB that WORKER_MEMORY_MB allows"
            )
        if size > self.reserved:
            # Ask for twice as much: the batch is still growing, and each request restarts the job.
            self.reserve(min(2 * size, self.limit))

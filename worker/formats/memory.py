"""The memory that the rows of one batch take where they are wide."""

from collections.abc import Callable

from worker.errors import Unparsable

_USUAL_BYTES = 16 * 2**20  # every job has as much


class Room:
    """Asks for the bytes that a file holds at once, and for no more than are allowed."""

    def __init__(self, reserve: Callable[[int], None], memory_bytes: int) -> None:
        self._reserve = reserve
        self._limit = memory_bytes
        self._bytes = min(_USUAL_BYTES, memory_bytes)

    def hold(self, size: int) -> None:
        """See that there is room for so many bytes; raises Unparsable when there never is."""
        if size > self._limit:
            raise Unparsable(
                "the rows of one batch, and the malformed ones between them, take more than the "
                f"{self._limit // 2**20} MiB that WORKER_MEMORY_MB allows"
            )
        if size > self._bytes:
            # Twice as much: to ask again may mean to begin again.
            self._bytes = min(2 * size, self._limit)
            self._reserve(self._bytes)

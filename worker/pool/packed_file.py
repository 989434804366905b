"""A compressed file in the parent: it is downloaded in order, and the texts of its parts are kept.

The job's own process unpacks the file and cuts it, a part at a time, whenever there is room for a
part. Each part is sent to a process that is free. So no process ever waits for the text of a part.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from worker.errors import TidegateError, Unparsable
from worker.interfaces import (
    PACKED_BYTES,
    AsyncInputReader,
    AsyncReadAhead,
    CutPart,
    FilePlan,
    OutputPiece,
    Range,
    ScoreOptions,
)
from worker.pool.channel import Assignment, PlannedCut
from worker.pool.process import ProcessSlot
from worker.pool.spare import SpareBytes

RANGES_AHEAD = 3  # are being downloaded, or wait for the process that unpacks them


class PackedDownload:
    """Implements worker.interfaces.AsyncReadAhead for a compressed file that is read in order."""

    def __init__(self, reader: AsyncInputReader) -> None:
        self._reader = reader
        self._begun: dict[int, AsyncReadAhead] = {}  # by the offset at which a range starts

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield ranges; begin to download what is behind a range as `read_packed` asks for it."""
        match ranges:
            case [(start, stop)] if not start % PACKED_BYTES and stop == self._stop(start):
                pieces = self._read_packed(start)
            case _:
                pieces = self._reader.read(ranges)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _read_packed(self, start: int) -> AsyncGenerator[bytes, None]:
        download = self._begin(start)
        end = min(start + (RANGES_AHEAD + 1) * PACKED_BYTES, self._reader.size)
        for ahead in range(start + PACKED_BYTES, end, PACKED_BYTES):
            self._begun[ahead] = self._begin(ahead)
        try:
            async with aclosing(download.read([(start, self._stop(start))])) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await download.close()

    def _begin(self, start: int) -> AsyncReadAhead:
        return self._begun.pop(start, None) or self._reader.read_ahead(start, self._stop(start))

    def _stop(self, start: int) -> int:
        return min(start + PACKED_BYTES, self._reader.size)

    async def close(self) -> None:
        """End the downloads of ranges that nobody has asked for."""
        begun = list(self._begun.values())
        self._begun.clear()
        await close_all(begun)


async def close_all(downloads: Sequence[AsyncReadAhead]) -> None:
    """Close each of them, also if a cancellation interrupts the close of another one."""
    async with AsyncExitStack() as closing:
        for download in downloads:
            closing.push_async_callback(download.close)


class PackedFile:
    """The texts of the parts that are cut and not predicted yet; each byte is one of the budget."""

    def __init__(
        self, reader: AsyncInputReader, plan: FilePlan, options: ScoreOptions, spare: SpareBytes
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._options = options
        self._spare = spare
        self._held = 0
        self._download = PackedDownload(reader)
        self._start = plan.begin.offset  # of the next part in the text
        self._texts: dict[int, bytes] = {}  # by the number of the part
        self.has_ended = False
        """Whether the last part is cut."""

    def take_room(self, *, needed: bool) -> bool:
        """Take the bytes of one part; returns whether it did.

        Without the part that is `needed` the job cannot go on, so its bytes are taken from a budget
        that has none left, too.
        """
        size = self._plan.cut_bytes
        if not needed and not self._spare.take(size):
            return False
        self._held += size
        if needed:
            self._spare.hold(size)
        return True

    async def cut(self, slot: ProcessSlot, number: int) -> CutPart | Unparsable:
        """Cut the next part in the job's own process, once there is room for it.

        Raises TidegateError, other than Unparsable, and whatever the download raises.
        """
        pieces: list[bytes] = []

        async def take(message: object) -> None:
            assert isinstance(message, OutputPiece)
            pieces.append(message.data)

        assignment = Assignment(
            self._options, self._reader.size, 0, PlannedCut(self._start, self._plan)
        )
        outcome = await slot.run(assignment, b"", self._download, take)
        self._texts[number] = b"".join(pieces)
        self._hold(len(self._texts[number]) - self._plan.cut_bytes)
        if isinstance(outcome, CutPart):
            self.has_ended = outcome.stop == self._start
            self._start = outcome.stop
            return outcome
        if isinstance(outcome, Unparsable):
            self.has_ended = True
            return outcome
        assert isinstance(outcome, TidegateError)
        raise outcome

    def text(self, number: int) -> bytes:
        """Return the text of a part."""
        return self._texts[number]

    def drop_before(self, number: int) -> None:
        """Drop the texts of earlier parts, whose output is written."""
        for passed in [part for part in self._texts if part < number]:
            self._hold(-len(self._texts.pop(passed)))

    async def close(self) -> None:
        """Drop all texts, and end the downloads under way."""
        self._texts.clear()
        self._hold(-self._held)
        await self._download.close()

    def _hold(self, size: int) -> None:
        self._held += size
        self._spare.hold(size)

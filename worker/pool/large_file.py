"""One large file, predicted part by part by several processes, and written in the file's order.

The job's own process works from the first part to the last one. Spare processes help, as long as no
other job waits for them or for the bytes that they hold. They are given back at the end of a part.
A compressed file is unpacked by the job's own process too, which cuts its parts: see `packed_file`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from worker.errors import stray_cancellations_as_errors
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    AsyncReadAhead,
    FilePlan,
    OutputPiece,
    Part,
    PartCounts,
    PartMessage,
    ScoreOptions,
    ScoreResult,
)
from worker.pool.channel import Assignment, PlannedPart
from worker.pool.packed_file import PackedDownload, PackedFile, close_all
from worker.pool.process import ProcessSlot
from worker.pool.spare import Spare
from worker.scoring.part_chain import PartChain, size_of

# What is held back at most, for each process at work. More is of no use, even if all columns are
# kept (benchmarks/parts_simulation.py).
HELD_BYTES = 4 << 20
# After so many wrong guesses one process goes on alone, while half of the parts were guessed wrong.
WRONG_GUESSES = 4
# So many more parts than processes at work are downloaded before a process asks for them. With the
# parts that are worked on, they fit into what a job reserves for its input, for each process.
PARTS_AHEAD = 1
# A process looks at the byte before a part, and at so many behind it, where the last row ends.
BYTES_BEFORE, BYTES_BEHIND = 1, 64 << 10
# The parts of wide files are larger: what is behind so many bytes is downloaded when it is needed.
MAX_AHEAD_BYTES = 8 << 20


class LargeFile:
    """Predicts one file by its plan.

    No process ever waits for another one that waits: whoever ends a part predicts the head of the
    chain if nobody does, and what is sent about the head is written at once.
    """

    def __init__(
        self,
        plan: FilePlan,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        spare: Spare,
    ) -> None:
        self._plan = plan
        self._reader = reader
        self._options = options
        self._spare = spare
        # A compressed file is read by the job's own process alone, and counts the texts of parts.
        self._packed = PackedFile(reader, plan, options, spare.bytes) if plan.is_packed else None
        self._helper_bytes = 0 if plan.is_packed else options.reserved_bytes
        self._chain = PartChain(plan, options.max_rejected)
        self._downloads = PartDownloads(reader, plan)
        self._output = OrderedOutput(output)
        self._processes = self._most_processes = 1
        self._held = 0  # spare bytes that were taken for output which is held back
        self._helpers = asyncio.TaskGroup()
        self._changed = asyncio.Event()  # each change has a new one

    async def score(self, slot: ProcessSlot) -> ScoreResult:
        """Predict the file in the job's own slot, and in spare ones; raises as Pool.score does."""
        async with AsyncExitStack() as held:  # a second cancellation interrupts one close, not all
            if self._packed is not None:
                held.push_async_callback(self._packed.close)
            held.push_async_callback(self._downloads.close)
            held.callback(lambda: self._spare.bytes.give_back(self._held))
            try:
                async with self._helpers:
                    await self._work(slot)
            except ExceptionGroup as failures:  # of one cause: the others were cancelled
                raise failures.exceptions[0] from None
        counts = PartCounts(self._chain.count, self._chain.repeats, self._most_processes)
        return replace(self._chain.result(), parts=counts)

    async def _work(self, slot: ProcessSlot) -> None:
        while not self._chain.is_complete:
            if self._packed is not None and self._takes_room_to_cut(self._packed):
                await self._cut(self._packed, slot)
            elif (part := self._next_part()) is not None:
                await self._predict(part, slot)
            else:
                await self._changed.wait()

    def _takes_room_to_cut(self, packed: PackedFile) -> bool:
        """Return whether the next part is to be cut now; if so, its bytes are taken."""
        if packed.has_ended:
            return False
        if self._chain.needs_text:
            return packed.take_room(needed=True)
        is_wanted = self._chain.unbegun < self._processes + PARTS_AHEAD
        return is_wanted and packed.take_room(needed=False)

    async def _cut(self, packed: PackedFile, slot: ProcessSlot) -> None:
        pieces = self._chain.add_cut(await packed.cut(slot, self._chain.count))
        self._announce_change()
        await self._output.write(pieces)
        self._recruit()

    async def _help(self, part: Part | None, slot: ProcessSlot) -> None:
        with stray_cancellations_as_errors():  # the group would take its end for a cancellation
            while part is not None:
                await self._predict(part, slot)
                may_go_on = self._chain.needs_process or not self._spare.is_wanted
                part = self._next_part() if may_go_on else None

    def _recruit(self) -> None:
        """Let spare processes help, if there are parts for them."""
        while self._may_work_ahead() and self._chain.unbegun:
            slot = self._spare.take(self._helper_bytes)
            if slot is None:
                return
            self._processes += 1
            self._most_processes = max(self._most_processes, self._processes)
            helper = self._helpers.create_task(self._help(self._next_part(), slot), name="helper")
            # A callback, because a task that is cancelled before it has begun runs no `finally`.
            helper.add_done_callback(partial(self._dismiss, slot))

    def _dismiss(self, slot: ProcessSlot, _: "asyncio.Task[None]") -> None:
        self._processes -= 1
        self._spare.give_back(slot, self._helper_bytes)

    def _next_part(self) -> Part | None:
        """Return the next part, if it is the head or may be predicted ahead of it."""
        if self._chain.needs_process or self._may_work_ahead():
            return self._chain.next_part()
        return None

    def _may_work_ahead(self) -> bool:
        """Return whether there is room for more output, and most of the guesses are right."""
        guesses_help = self._chain.repeats <= WRONG_GUESSES + self._chain.head // 2
        return guesses_help and self._has_room()

    def _has_room(self) -> bool:
        return self._held < self._processes * HELD_BYTES

    async def _predict(self, part: Part, slot: ProcessSlot) -> None:
        planned = PlannedPart(part, self._plan)
        download: AsyncReadAhead
        if self._packed is None:
            first, download = b"", self._downloads.take(part)
        else:
            first, download = self._packed.text(part.number), PackedDownload(self._reader)
        assignment = Assignment(self._options, self._reader.size, len(first), planned)
        try:
            await self._downloads.drop_before(self._chain.head)
            self._downloads.begin(self._chain.next_number, self._processes + PARTS_AHEAD)
            self._recruit()
            outcome = await slot.run(assignment, first, download, partial(self._take, part))
            await self._take(part, outcome)
        finally:
            await download.close()

    async def _take(self, part: Part, message: object) -> None:
        """Write a message about a part, or hold it back until its part is the head of the chain."""
        assert isinstance(message, PartMessage)
        while not self._may_take(part, message):
            await self._changed.wait()
        pieces = self._chain.add(part, message)
        self._announce_change()
        if pieces:
            await self._output.write(pieces)
        if self._packed is not None:
            self._packed.drop_before(self._chain.head)
        self._give_back_surplus()
        self._recruit()

    def _may_take(self, part: Part, message: PartMessage) -> bool:
        """Return whether a message can be taken now; with the bytes that it is held back in."""
        if self._chain.is_head(part) or self._chain.is_void(part):
            return True
        size = size_of(message)
        if size and not (self._has_room() and self._spare.bytes.take(size)):
            return False
        self._held += size
        return True

    def _give_back_surplus(self) -> None:
        surplus = self._held - self._chain.held_bytes - self._output.unwritten
        if surplus > 0:
            self._held -= surplus
            self._spare.bytes.give_back(surplus)
            self._announce_change()

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class OrderedOutput:
    """Writes pieces in the order of the calls, also if they come while others are written."""

    def __init__(self, output: AsyncOutputSink) -> None:
        self._output = output
        self._turn = asyncio.Lock()  # first come, first served
        self.unwritten = 0
        """The bytes of the pieces that are not written yet."""

    async def write(self, pieces: Sequence[OutputPiece]) -> None:
        """Write pieces behind those of earlier calls."""
        self.unwritten += sum(len(piece.data) for piece in pieces)
        async with self._turn:
            for piece in pieces:
                write = self._output.reject if piece.rejects else self._output.write
                await write(piece.data)
                self.unwritten -= len(piece.data)


class PartDownloads:
    """Downloads the bytes of the next parts before a process asks for them."""

    def __init__(self, reader: AsyncInputReader, plan: FilePlan) -> None:
        self._reader = reader
        self._plan = plan
        self._begun: dict[int, AsyncReadAhead] = {}  # by the number of a part that nobody took

    def begin(self, number: int, count: int) -> None:
        """Begin to download so many parts, from that number on."""
        for ahead in range(number, min(number + count, len(self._plan.starts))):
            if ahead not in self._begun:
                self._begun[ahead] = self._begin(ahead, self._plan.starts[ahead])

    def take(self, part: Part) -> AsyncReadAhead:
        """Return the download of a part, which the caller closes."""
        begun = self._begun.pop(part.number, None)
        start = self._plan.starts[part.number] if part.begin is None else part.begin.offset
        return begun or self._begin(part.number, start)

    def _begin(self, number: int, start: int) -> AsyncReadAhead:
        if not self._plan.has_byte_offsets:
            return self._reader.read_ahead(0, 0)
        assert self._plan.end is not None
        stop = [*self._plan.starts[number + 1 : number + 2], self._plan.end][0]
        stop = min(stop, start + MAX_AHEAD_BYTES)
        return self._reader.read_ahead(
            max(0, start - BYTES_BEFORE), min(stop + BYTES_BEHIND, self._reader.size)
        )

    async def drop_before(self, number: int) -> None:
        """End the downloads of earlier parts that nobody took: a row spans them."""
        passed = [self._begun.pop(part) for part in list(self._begun) if part < number]
        await close_all(passed)

    async def close(self) -> None:
        """End the downloads that nobody took."""
        await self.drop_before(len(self._plan.starts))

"""Mutations of the engine's road for large files, each of which the search must find."""

import asyncio
from collections.abc import Sequence

from tests.search.mutations import MUTATIONS
from tests.support.mutation import Patch
from worker.interfaces import OutputPiece, Part, PartMessage
from worker.jobs.limits import Reservation
from worker.pool.large_file import LargeFile, OrderedOutput, PartDownloads
from worker.pool.process import ProcessSlot
from worker.pool.slots import Slots
from worker.scoring.part_chain import PartChain, _Run
from worker.storage.streaming import Download


@MUTATIONS.add("a part whose begin was guessed wrong is taken as it is", seed=21)
def _(patch: Patch) -> None:
    def is_wrong(self: PartChain, run: _Run) -> bool:
        return run.is_guess and (run.failed or not self._rows)

    patch.replace(PartChain._is_wrong, is_wrong)


@MUTATIONS.add("the error of a wrong guess fails the file", seed=21)
def _(patch: Patch) -> None:
    def is_wrong(self: PartChain, run: _Run) -> bool:
        return not run.failed and run.begin not in (None, self._position.offset)

    patch.replace(PartChain._is_wrong, is_wrong)


@MUTATIONS.add("what processes send is written as it comes", seed=14)
def _(patch: Patch) -> None:
    add = PartChain.add

    def add_out_of_order(self: PartChain, part: Part, message: PartMessage) -> list[OutputPiece]:
        if isinstance(message, OutputPiece) and part in self._runs:
            return [message]
        return add(self, part, message)

    patch.replace(add, add_out_of_order)


@MUTATIONS.add("output overtakes what is still being written", seed=242)
def _(patch: Patch) -> None:
    async def write_at_once(self: OrderedOutput, pieces: Sequence[OutputPiece]) -> None:
        for piece in pieces:
            write = self._output.reject if piece.rejects else self._output.write
            await write(piece.data)

    patch.replace(OrderedOutput.write, write_at_once)


@MUTATIONS.add("the slot of a helper that fails is not given back", seed=138)
def _(patch: Patch) -> None:
    dismiss = LargeFile._dismiss

    def keep_if_failed(self: LargeFile, slot: ProcessSlot, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is None:
            dismiss(self, slot, task)

    patch.replace(dismiss, keep_if_failed)


@MUTATIONS.add("the slot of a job that is cancelled in its turn is lost", seed=9)
def _(patch: Patch) -> None:
    async def take(self: Slots[ProcessSlot]) -> ProcessSlot:
        if self._free:
            return self._free.pop()
        turn: asyncio.Future[ProcessSlot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return await asyncio.shield(turn)

    patch.replace(Slots.take, take)


@MUTATIONS.add("bytes that a large file gives back stay taken", seed=14)
def _(patch: Patch) -> None:
    def forget(self: Reservation, size: int) -> None:
        self.held -= size

    patch.replace(Reservation.give_back, forget)


@MUTATIONS.add("the downloads of parts that nobody took go on", seed=59)
def _(patch: Patch) -> None:
    async def leave(self: PartDownloads) -> None:
        pass

    patch.replace(PartDownloads.close, leave)


@MUTATIONS.add("ranges are read of whatever version is there", seed=89)
def _(patch: Patch) -> None:
    async def fetch(self: Download, start: int, stop: int) -> bytes:
        head = await self.storage.head(self.uri)
        assert head is not None
        return await self.storage.read(self.uri, start, stop, version_id=None, etag=head.etag)

    patch.replace(Download._fetch, fetch)

"""Pool processes that predict the parts of a file of lines, on the virtual clock."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from worker.errors import ProcessLost, TidegateError, Unparsable
from worker.interfaces import (
    AsyncRangeReader,
    CutPart,
    FilePlan,
    OutputForm,
    OutputHeader,
    OutputPiece,
    Part,
    PartBegin,
    PartMessage,
    PartResult,
    Position,
    RejectedLines,
    ScoreResult,
)
from worker.pool.channel import Assignment, Outcome, PlannedCut, PlannedPart
from worker.pool.process import ProcessSlot, Take
from worker.scoring.part_chain import size_of

FORM = OutputForm("text/csv", None)
LONGEST_LINE = 1 << 20
HEADER = OutputHeader(b"header\n", "columns")


def plan_of(content: bytes, part_bytes: int) -> FilePlan:
    """Plan a file without a header, from its first line to its last one."""
    starts = range(0, len(content), part_bytes)
    return FilePlan(FORM, Position(0, 1), starts, len(content), "line", b"state")


def packed_plan_of(part_bytes: int) -> FilePlan:
    """Plan a file that counts as compressed, though its bytes are those of its text."""
    return FilePlan(FORM, Position(0, 1), (0,), None, "line", b"state", cut_bytes=part_bytes)


def expected(content: bytes) -> tuple[bytes, bytes]:
    """Return the output of a file, and its rejected rows."""
    lines = content.splitlines(keepends=True)
    good = b"".join(line.upper() for line in lines if not line.startswith(b"bad"))
    bad = [
        b"%d,%b" % (number, line) for number, line in enumerate(lines, 1) if line.startswith(b"bad")
    ]
    return HEADER.data + good, b"line,reason,row\n" + b"".join(bad) if bad else b""


def predict_lines(text: bytes, begin: int) -> Iterator[PartMessage]:
    """Predict whole lines, each in a piece of its own; a line that begins with "bad" is rejected.

    A line "error" is an error.
    """
    yield PartBegin(begin)
    yield HEADER
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(b"error"):
            yield Unparsable(f"line {number + 1} of the part is an error")
            return
        if line.startswith(b"bad"):
            yield RejectedLines([(number, line.rstrip(b"\n"))])
        else:
            yield OutputPiece(line.upper(), rejects=False)
    bad = [number for number, line in enumerate(lines) if line.startswith(b"bad")]
    shown = [(number, "bad") for number in bad[:10]]
    rows = len(lines) - len(bad)
    yield PartResult(begin + len(text), len(lines), rows, len(lines), len(bad), 0, shown, HEADER)


def line_at(content: bytes, position: int) -> int:
    """Return where the first line begins that begins at an offset or behind it."""
    return content.find(b"\n", position - 1) + 1 or len(content) if position else 0


async def read_range(reader: AsyncRangeReader, start: int, stop: int) -> bytes:
    """Read one range whole."""
    return b"".join([piece async for piece in reader.read([(start, stop)])])


@dataclass
class PartProcess(ProcessSlot):
    """A slot whose process predicts a file by a plan; a small file says how many seconds it takes.

    The process is killed when it begins with part `killed_by`; at part `interrupted_by` a
    CancelledError escapes that nobody has asked for.
    """

    plan: FilePlan
    seconds: Callable[[Part], float] = lambda _: 1.0  # for each line
    wrong: Collection[int] = ()  # parts where it guesses wrong
    parts: list[Part] = field(default_factory=list)
    """The parts that were begun."""
    killed_by: int | None = None
    interrupted_by: int | None = None
    failing_guesses: Collection[int] = ()  # parts which it cannot read where it guesses
    closed: int = 0
    sent: int = 0  # bytes of output that were taken
    cuts: list[int] = field(default_factory=list)
    """Where the parts start that this process has cut from a compressed file."""
    cut_seconds: float = 0.25  # for each line that is unpacked

    async def close(self) -> None:
        self.closed += 1

    async def run(
        self, assignment: Assignment, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        match assignment.planned:
            case PlannedCut(start):
                return await self._cut(start, assignment.size, reader, take)
            case PlannedPart(part):
                return await self._run_part(part, assignment.size, first, reader, take)
        if assignment.alone and assignment.size > len(first) and self.plan.is_packed:
            return await self._run_alone(assignment.size, reader, take)
        if assignment.size > len(first):
            return self.plan
        await asyncio.sleep(float(first))
        return ScoreResult(1, 0)

    async def _cut(
        self, start: int, size: int, reader: AsyncRangeReader, take: Take
    ) -> CutPart | Unparsable:
        """Write the lines of the next part; a line "damaged" ends what can be unpacked."""
        self.cuts.append(start)
        content = await read_range(reader, 0, size)
        stop = line_at(content, (start // self.plan.cut_bytes + 1) * self.plan.cut_bytes)
        stop = max(start, min(stop, size))
        for line in content[start:stop].splitlines(keepends=True):
            await asyncio.sleep(self.cut_seconds)
            if line == b"killed\n":
                raise ProcessLost("killed")
            if line == b"damaged\n":
                return Unparsable("the data is corrupt")
            await take(OutputPiece(line, rejects=False))
        return CutPart(stop)

    async def _run_alone(self, size: int, reader: AsyncRangeReader, take: Take) -> Outcome:
        content = await read_range(reader, 0, size)
        await take(self.plan.form)
        output, rejects = expected(content)
        await take(OutputPiece(output, rejects=False))
        if rejects:
            await take(OutputPiece(rejects, rejects=True))
        return ScoreResult(output.count(b"\n") - 1, max(0, rejects.count(b"\n") - 1))

    async def _run_part(
        self, part: Part, size: int, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        self.parts.append(part)
        if part.number == self.killed_by:
            raise ProcessLost("killed")
        if part.number == self.interrupted_by:
            raise asyncio.CancelledError
        if part.begin is None and part.number in self.failing_guesses:
            return Unparsable("no row begins here")
        if part.begin is not None and self.plan.is_packed:
            return await self._send(part, first, part.begin.offset, take)
        start, *later = self.plan.starts[part.number :]
        stop = later[0] if later else size
        before = max(0, start - 1)
        wanted = (before, min(size, stop + LONGEST_LINE))
        text = await read_range(reader, *wanted)
        begin = line_at(text, start - before) if part.begin is None else part.begin.offset - before
        if part.begin is None and part.number in self.wrong:
            begin = line_at(text, begin + 1)
        text = text[begin : line_at(text, stop - before)]
        return await self._send(part, text, before + begin, take)

    async def _send(self, part: Part, text: bytes, begin: int, take: Take) -> Outcome:
        for message in predict_lines(text, begin):
            await asyncio.sleep(self.seconds(part))
            if isinstance(message, PartResult | TidegateError):
                return message
            await take(message)
            self.sent += size_of(message)
        raise AssertionError

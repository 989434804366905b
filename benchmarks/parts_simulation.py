"""python -m benchmarks.parts_simulation: one large CSV, or one in gzip or zstd, on 1 to 8 cores.

Two steps. First, one process predicts each part of a generated file by a logistic regression on
twenty floats, and notes the CPU time before each message that it sends. Then the worker's own
scheduler (worker/pool/large_file.py) runs on a virtual clock, with as many processes as cores: a
process computes for the measured times. The simulation assumes that

- the parent takes a fixed CPU time for each part: to download it, to send it to a process and to
  upload its output. `benchmarks/memory_run.py` measures it on the local cloud;
- all cores are as fast as the one that was measured, and run one process or the parent at a time;
- a part is downloaded in a fixed time, whatever other downloads are under way;
- no upload is slower than the predictions;
- a compressed file is downloaded faster than it is unpacked;
- for a compressed file with several processes, the parent takes its CPU time for a part twice: the
  text goes from the process that unpacks the file to the parent, and from there to a process. This
  was not measured.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.generated_files import COLUMNS, FORMATS, block
from benchmarks.harness.report import MB
from tests.support.fakes.async_streams import AsyncMemoryOutput
from tests.support.fakes.clock import VirtualLoop
from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from worker.interfaces import (
    AsyncRangeReader,
    CutPart,
    FilePlan,
    OutputPiece,
    Part,
    PartMessage,
    PartResult,
    Position,
    Range,
    ScoreOptions,
)
from worker.jobs.limits import PART_BYTES, ByteBudget
from worker.models import SklearnPredictor
from worker.pool.channel import Assignment, Outcome, PlannedCut, PlannedPart
from worker.pool.pool import Pool
from worker.pool.process import ProcessSlot, Take
from worker.scoring.scorer import ModelScorer

CORES = (1, 2, 4, 8)
PARENT_SECONDS = 0.016  # a part; see above
DOWNLOAD_SECONDS = 0.1  # a part, by three requests: 50 ms to the first byte, then 60 MB a second
BUDGET_BYTES = 512 << 20
RESERVED_BYTES = 20 << 20


@dataclass
class TimedPart:
    """Implements worker.interfaces.PartSink: what was sent for a part, after which CPU seconds."""

    messages: list[tuple[float, PartMessage]] = field(default_factory=list)
    _before: float = field(default_factory=time.process_time)

    def send_part(self, message: PartMessage) -> None:
        """Note a message."""
        now = time.process_time()
        self.messages.append((now - self._before, message))
        self._before = now

    @property
    def seconds(self) -> float:
        """The CPU time of the whole part."""
        return sum(seconds for seconds, _ in self.messages)


@dataclass(frozen=True)
class Cut:
    """How a part of a compressed file was unpacked and cut."""

    seconds: float
    outcome: CutPart
    text: bytes


@dataclass(frozen=True)
class Measured:
    """The CPU times of one file."""

    size: int
    plan: FilePlan
    open_seconds: float
    parts: Sequence[TimedPart]
    cuts: Mapping[int, Cut]
    """By the offset at which a part starts in the text; none of a plain file."""


def measure(content: bytes, options: ScoreOptions) -> Measured:
    """Predict each part as a process does that guesses where the part begins."""
    random = np.random.default_rng(0)
    frame = block().iloc[:, 1 : COLUMNS + 1]
    predictor = SklearnPredictor(LogisticRegression().fit(frame, random.integers(0, 2, len(frame))))
    scorer = ModelScorer(predictor)
    file = MemoryInput(content, first=PART_BYTES, pieces=(1 << 20,))
    began = time.process_time()
    plan = scorer.open_file(file, options, MemoryOutput())
    open_seconds = time.process_time() - began
    if not isinstance(plan, FilePlan):
        raise SystemExit("the file is too small to be cut into parts")
    cuts = dict(_cut(scorer, file, plan)) if plan.is_packed else {}
    parts = []
    for number, (part_file, begin) in enumerate(_inputs(file, plan, cuts)):
        part, timed = Part(number, begin if number else plan.begin), TimedPart()
        timed.send_part(scorer.score_part(part_file, options, plan, part, timed))
        parts.append(timed)
    return Measured(len(content), plan, open_seconds, parts, cuts)


def _cut(scorer: ModelScorer, file: MemoryInput, plan: FilePlan) -> Iterator[tuple[int, Cut]]:
    """Yield where each part of a compressed file starts, and how it was cut; the last is empty."""
    start, has_ended = plan.begin.offset, False
    while not has_ended:
        output = MemoryOutput()
        output.open(plan.form)
        began = time.process_time()
        outcome = scorer.cut_part(file, plan, start, output)
        yield start, Cut(time.process_time() - began, outcome, output.output)
        has_ended, start = outcome.stop == start, outcome.stop


def _inputs(
    file: MemoryInput, plan: FilePlan, cuts: Mapping[int, Cut]
) -> Iterator[tuple[MemoryInput, Position | None]]:
    """Yield the input of each part, and where it begins if that is known."""
    if not plan.is_packed:
        yield from ((file, None) for _ in plan.starts)
    for start, cut in cuts.items():
        if cut.text:
            yield MemoryInput(cut.text), Position(start, 0)


@dataclass
class Machine:
    """Cores, of which each runs one process or the parent at a time."""

    cores: int
    parent_seconds: float
    download_seconds: float
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.cores)
        self._parent = asyncio.Lock()

    async def compute(self, seconds: float) -> None:
        """Use a core for some seconds."""
        async with self._free:
            await asyncio.sleep(seconds)
        self.cpu_seconds += seconds

    async def run_parent(self) -> None:
        """Let the parent do its work for one part."""
        async with self._parent:
            await self.compute(self.parent_seconds)


@dataclass(frozen=True)
class SimulatedInput:
    """Implements worker.interfaces.AsyncInputReader and AsyncReadAhead: no bytes, only time."""

    machine: Machine
    size: int
    first: bytes = b""
    begun: float = 0.0

    def read_ahead(self, _start: int, _stop: int) -> "SimulatedInput":
        """Begin to download a part."""
        now = asyncio.get_running_loop().time()
        return SimulatedInput(self.machine, self.size, begun=now)

    async def read(self, _: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Wait until the download has ended."""
        left = self.begun + self.machine.download_seconds - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left))
        await self.machine.run_parent()
        yield b""

    async def close(self) -> None:
        """Do nothing."""


class MeasuredBudget(ByteBudget):
    """Notes the most bytes that were in use."""

    most = 0

    def take(self, size: int) -> None:
        """Count bytes as used."""
        super().take(size)
        self.most = max(self.most, self._used)


class SimulatedProcess(ProcessSlot):
    """A slot whose process needs the measured time for each part."""

    def __init__(self, machine: Machine, measured: Measured) -> None:
        self._machine = machine
        self._measured = measured

    async def run(
        self, assignment: Assignment, _: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        """Compute for as long as was measured."""
        match assignment.planned:
            case PlannedCut(start):
                return await self._cut(self._measured.cuts[start], take)
            case PlannedPart(part):
                return await self._predict(part, reader, take)
            case None:
                await self._machine.compute(self._measured.open_seconds)
                return self._measured.plan

    async def _cut(self, cut: Cut, take: Take) -> Outcome:
        await self._machine.compute(cut.seconds)
        # A process that is alone keeps the text.
        if self._machine.cores > 1:
            await self._machine.run_parent()
        await take(OutputPiece(cut.text, rejects=False))
        return cut.outcome

    async def _predict(self, part: Part, reader: AsyncRangeReader, take: Take) -> Outcome:
        if self._measured.plan.is_packed:
            await self._machine.run_parent()  # the text has been downloaded
        else:
            async for _ in reader.read([]):
                pass
        for seconds, message in self._measured.parts[part.number].messages:
            await self._machine.compute(seconds)
            if isinstance(message, PartResult):
                return message
            await take(message)
        raise AssertionError


async def simulate(machine: Machine, measured: Measured) -> tuple[float, int]:
    """Return the seconds for the whole file, without the worker's start, and the most bytes held.

    These are the bytes that the job takes from the budget beside its own.
    """
    slots = [SimulatedProcess(machine, measured) for _ in range(machine.cores)]
    reader = SimulatedInput(machine, measured.size, first=b"x")
    budget = MeasuredBudget(BUDGET_BYTES)
    async with budget.reserve(RESERVED_BYTES) as held:
        options = ScoreOptions(reserved_bytes=RESERVED_BYTES)
        pool = Pool(list(slots))
        await pool.score(reader, options, AsyncMemoryOutput(), spare_bytes=held)
    return asyncio.get_running_loop().time(), budget.most - RESERVED_BYTES


def main() -> int:
    """Measure the parts of a file, simulate it on each number of cores, and print a table."""
    arguments = _parser().parse_args()
    megabytes = arguments.megabytes
    content = b"".join(FORMATS[arguments.format](megabytes * MB).pieces)
    options = ScoreOptions(keep_columns=("*",) if arguments.keep_all else None)
    measured = measure(content, options)
    part_seconds = sum(part.seconds for part in measured.parts) / len(measured.parts)
    cut_seconds = sum(cut.seconds for cut in measured.cuts.values()) / len(measured.parts)
    print(
        f"{megabytes} MB of text, {len(measured.parts)} parts; CPU of a process: "
        f"{measured.open_seconds:.3f} s to open the file, {part_seconds:.3f} s a part, "
        f"{cut_seconds:.3f} s to unpack a part\n\n"
        "| cores | wall s | MB/s | speed-up | CPU s | further MB |\n|--:|--:|--:|--:|--:|--:|"
    )
    alone = None
    for cores in CORES:
        machine = Machine(cores, arguments.parent_seconds, arguments.download_seconds)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            seconds, held = runner.run(simulate(machine, measured))
        alone = alone or seconds
        print(
            f"| {cores} | {seconds:.2f} | {megabytes / seconds:.0f} | "
            f"{alone / seconds:.2f} | {machine.cpu_seconds:.2f} | {held / MB:.0f} |"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parts_simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--megabytes", type=int, default=500, help="the size of the file (500)")
    parser.add_argument(
        "--format", choices=("csv", "csv.gz", "csv.zst"), default="csv", help="its format (csv)"
    )
    parser.add_argument("--keep-all", action="store_true", help="keep all columns in the output")
    parser.add_argument(
        "--parent-seconds",
        type=float,
        default=PARENT_SECONDS,
        help=f"the CPU time of the parent for a part ({PARENT_SECONDS})",
    )
    parser.add_argument(
        "--download-seconds",
        type=float,
        default=DOWNLOAD_SECONDS,
        help=f"the time of a part's download ({DOWNLOAD_SECONDS})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""python -m benchmarks.parts_simulation: one large CSV on 1, 2, 4 and 8 cores.

Two steps. First, one process predicts each part of a generated file by a logistic regression on
twenty floats, and notes the CPU time before each message that it sends. Then the worker's own
scheduler (worker/pool/large_file.py) runs on a virtual clock, with as many processes as cores: a
process computes for the measured times. The simulation assumes that

- the parent takes a fixed CPU time for each part: to download it, to send it to a process and to
  upload its output. `benchmarks/memory_run.py` measures it on the local cloud;
- all cores are as fast as the one that was measured, and run one process or the parent at a time;
- a part is downloaded in a fixed time, whatever other downloads are under way;
- no upload is slower than the predictions.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.generated_files import COLUMNS, block, csv
from benchmarks.harness.report import MB
from tests.support.fakes.async_streams import AsyncMemoryOutput
from tests.support.fakes.clock import VirtualLoop
from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from worker.interfaces import (
    AsyncRangeReader,
    FilePlan,
    Part,
    PartMessage,
    PartResult,
    Range,
    ScoreOptions,
)
from worker.jobs.limits import PART_BYTES, ByteBudget
from worker.models import SklearnPredictor
from worker.pool.channel import Assignment, Outcome, PlannedPart
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


def measure(content: bytes, options: ScoreOptions) -> tuple[FilePlan, float, list[TimedPart]]:
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
    parts = []
    for number in range(len(plan.starts)):
        part, timed = Part(number, None if number else plan.begin), TimedPart()
        timed.send_part(scorer.score_part(file, options, plan, part, timed))
        parts.append(timed)
    return plan, open_seconds, parts


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

    def __init__(
        self, machine: Machine, plan: FilePlan, open_seconds: float, parts: Sequence[TimedPart]
    ) -> None:
        self._machine = machine
        self._plan = plan
        self._open_seconds = open_seconds
        self._parts = parts

    async def run(
        self, assignment: Assignment, _: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        """Compute for as long as was measured."""
        if not isinstance(assignment.planned, PlannedPart):
            await self._machine.compute(self._open_seconds)
            return self._plan
        async for _piece in reader.read([]):
            pass
        for seconds, message in self._parts[assignment.planned.part.number].messages:
            await self._machine.compute(seconds)
            if isinstance(message, PartResult):
                return message
            await take(message)
        raise AssertionError


async def simulate(
    machine: Machine, plan: FilePlan, open_seconds: float, parts: Sequence[TimedPart]
) -> tuple[float, int]:
    """Return the seconds for the whole file, without the worker's start, and the most bytes held.

    These are the bytes that the job takes from the budget beside its own.
    """
    slots = [SimulatedProcess(machine, plan, open_seconds, parts) for _ in range(machine.cores)]
    assert plan.end is not None, "a plain file"
    reader = SimulatedInput(machine, plan.end, first=b"x")
    budget = MeasuredBudget(BUDGET_BYTES)
    async with budget.reserve(RESERVED_BYTES) as held:
        options = ScoreOptions(reserved_bytes=RESERVED_BYTES)
        pool = Pool(list(slots))
        await pool.score(reader, options, AsyncMemoryOutput(), spare_bytes=held)
    return asyncio.get_running_loop().time(), budget.most - RESERVED_BYTES


def main() -> int:
    """Measure the parts of a file, simulate it on each number of cores, and print a table."""
    arguments = _parser().parse_args()
    file = csv(arguments.megabytes * MB)
    content = b"".join(file.pieces)
    options = ScoreOptions(keep_columns=("*",) if arguments.keep_all else None)
    measured = measure(content, options)
    plan, open_seconds, parts = measured
    part_seconds = sum(part.seconds for part in parts)
    print(
        f"{len(content) / MB:.0f} MB, {len(plan.starts)} parts; CPU of a process: "
        f"{open_seconds:.3f} s to open the file, {part_seconds / len(parts):.3f} s a part\n\n"
        "| cores | wall s | MB/s | speed-up | CPU s | further MB |\n|--:|--:|--:|--:|--:|--:|"
    )
    alone = None
    for cores in CORES:
        machine = Machine(cores, arguments.parent_seconds, arguments.download_seconds)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            seconds, held = runner.run(simulate(machine, *measured))
        alone = alone or seconds
        print(
            f"| {cores} | {seconds:.2f} | {len(content) / MB / seconds:.0f} | "
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

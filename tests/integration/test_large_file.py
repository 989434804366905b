"""One large file on real processes, which predict its parts at the same time."""

import asyncio
import csv
import gzip
import io
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pandas as pd
import pyarrow as pa
import pytest
import pytest_asyncio

from tests.support.fakes.async_streams import AsyncMemoryInput, AsyncMemoryOutput
from worker.errors import ProcessLost, Unparsable
from worker.formats.compression import decompress, detect_compression
from worker.interfaces import (
    CutPart,
    FilePlan,
    InputReader,
    OutputSink,
    Part,
    PartResult,
    PartSink,
    Position,
    ScoreOptions,
    ScoreResult,
)
from worker.jobs.limits import ByteBudget
from worker.pool import forkserver
from worker.pool.pool import Pool
from worker.pool.process import ProcessSlot
from worker.scoring.scorer import ModelScorer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PART_BYTES = 20_000
PROCESSES = 4
DEADLY = -1
SECONDS = 600  # only a hang lasts as long
OPTIONS = ScoreOptions(max_rejected=1.0)


class Doubling:
    """Predicts twice the number; one number kills the process."""

    feature_names_in_ = ("x",)
    column_types = {"x": "int"}  # noqa: RUF012 - as a plug-in may have it

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame["x"] == DEADLY).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return pd.DataFrame({"prediction": 2 * frame["x"]})


@dataclass(frozen=True)
class WrongGuesses:
    """Implements worker.pool.child.Scorer: of every third part it guesses wrong where it begins."""

    scorer: ModelScorer

    def open_file(
        self, file: InputReader, options: ScoreOptions, output: OutputSink
    ) -> ScoreResult | FilePlan:
        return self.scorer.open_file(file, options, output)

    def score_part(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, part: Part, sink: PartSink
    ) -> PartResult:
        if part.begin is None and part.number % 3 == 0:
            start = plan.starts[part.number] + 500
            behind = b"".join(file.read([(start, start + 500)]))
            part = Part(part.number, Position(start + behind.index(b"\n") + 1, 0))
        return self.scorer.score_part(file, options, plan, part, sink)

    def score_all_parts(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, output: OutputSink
    ) -> ScoreResult:
        return self.scorer.score_all_parts(file, options, plan, output)

    def cut_part(
        self, file: InputReader, plan: FilePlan, start: int, output: OutputSink
    ) -> CutPart:
        return self.scorer.cut_part(file, plan, start, output)


def load_model() -> WrongGuesses:
    return WrongGuesses(ModelScorer(Doubling(), part_bytes=PART_BYTES))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slots() -> AsyncIterator[list[ProcessSlot]]:
    forkserver.start(1, [__name__])
    slots = [ProcessSlot(load_model, close_seconds=5.0) for _ in range(PROCESSES)]
    await asyncio.gather(*(slot.open() for slot in slots))
    yield slots
    await asyncio.gather(*(slot.close() for slot in slots))


def file_of_rows(*, deadly_row: int | None = None) -> bytes:
    """Return rows of which the texts have lines that look like rows; some have a bad number."""
    random = Random(0)  # noqa: S311 - of an example
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(("id", "x", "note"))
    for number in range(2000):
        note = "\n".join(f"{line},{line},no row" for line in range(random.choice((0, 1, 9, 90))))
        x = DEADLY if number == deadly_row else "bad" if number % 100 == 7 else number
        writer.writerow((f"id {number}", x, note))
    return rows.getvalue().encode()


def expected(content: bytes) -> tuple[bytes, list[int]]:
    """Return the output of a file, and the lines of its rejected rows."""
    output, rejected = b"id,prediction\n", []
    reader = csv.reader(io.StringIO(content.decode(), newline=""))
    next(reader)
    line = 1 + reader.line_num
    for name, x, _ in reader:
        if x == "bad":
            rejected.append(line)
        else:
            output += b"%b,%d\n" % (name.encode(), 2 * int(x))
        line = 1 + reader.line_num
    return output, rejected


class BlockedOutput(AsyncMemoryOutput):
    """Takes nothing of the output until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.has_begun.set()
        await self.may_go_on.wait()
        await super().write(data)


async def predict(
    pool: Pool, content: bytes, output: AsyncMemoryOutput, options: ScoreOptions = OPTIONS
) -> ScoreResult:
    reader = AsyncMemoryInput(content, first_bytes=1000)
    async with asyncio.timeout(SECONDS), ByteBudget(1 << 30).reserve(1) as held:
        return await pool.score(reader, options, output, spare_bytes=held)


@pytest.mark.parametrize("processes", range(1, PROCESSES + 1))
async def test_any_number_of_processes_gives_the_same_output(
    slots: list[ProcessSlot], processes: int
) -> None:
    content, output = file_of_rows(), AsyncMemoryOutput()
    result = await predict(Pool(slots[:processes]), content, output)
    predictions, rejected_lines = expected(content)
    assert output.output == predictions
    rejected = pd.read_csv(io.BytesIO(output.rejects))
    assert list(rejected["line"]) == rejected_lines
    assert (result.rows, result.rejected) == (2000 - len(rejected), len(rejected))
    assert result.parts is not None
    assert result.parts.parts > 20
    assert (result.parts.repeated_parts > 0) == (processes > 1)
    assert result.parts.processes == processes


async def test_json_lines_give_the_same_output(slots: list[ProcessSlot]) -> None:
    rows = (f'{{"id": "é {x}", "x": {x if x % 100 else "null, "}}}' for x in range(2000))
    content, output = "\n".join(rows).encode(), AsyncMemoryOutput()
    result = await predict(Pool(slots[:2]), content, output)
    predictions = "".join(
        f'{{"id": "é {x}", "prediction": {2 * x}}}\n' for x in range(2000) if x % 100
    )
    assert output.output.decode() == predictions
    rejected = pd.read_csv(io.BytesIO(output.rejects))
    assert list(rejected["line"]) == list(range(1, 2000, 100))
    assert result.parts is not None
    assert (result.parts.parts, result.parts.processes) == (3, 2)


async def test_parquet_gives_the_same_csv(slots: list[ProcessSlot]) -> None:
    table = pd.DataFrame({"id": range(9000), "x": range(9000)})
    body, output = io.BytesIO(), AsyncMemoryOutput()
    table.to_parquet(body, index=False, row_group_size=1000)
    result = await predict(
        Pool(slots[:2]), body.getvalue(), output, ScoreOptions(output_format="csv")
    )
    predictions = "".join(f"{x},{2 * x}\n" for x in range(9000))
    assert output.output.decode() == f"id,prediction\n{predictions}"
    assert result.parts is not None
    assert (result.parts.parts, result.parts.processes) == (5, 2)


async def test_any_number_of_processes_gives_the_same_parquet(slots: list[ProcessSlot]) -> None:
    draw = Random(0)  # noqa: S311 - of an example
    words = pd.Categorical(draw.choices(("red", "green", "blue"), k=9000))
    names = [f"row {x}" for x in range(9000)]
    table = pd.DataFrame({"id": names, "words": words, "x": range(9000)})
    body = io.BytesIO()
    table.to_parquet(body, index=False, row_group_size=700)
    options = ScoreOptions(keep_columns=("*",))
    outputs = []
    for processes in range(1, PROCESSES + 1):
        output = AsyncMemoryOutput()
        result = await predict(Pool(slots[:processes]), body.getvalue(), output, options)
        assert result.parts is not None
        assert (result.parts.parts, result.parts.processes) == (7, processes)
        outputs.append(bytes(output.output))
    assert set(outputs) == {outputs[0]}
    answer = pd.read_parquet(io.BytesIO(outputs[0]))
    pd.testing.assert_frame_equal(answer, table.assign(prediction=2 * table["x"]))


async def test_text_gives_the_same_parquet(slots: list[ProcessSlot]) -> None:
    content = file_of_rows()
    options = ScoreOptions(max_rejected=1.0, output_format="parquet")
    outputs = []
    for processes in (1, 3):
        output = AsyncMemoryOutput()
        result = await predict(Pool(slots[:processes]), content, output, options)
        assert result.parts is not None
        assert (result.parts.repeated_parts > 0) == (processes > 1)
        outputs.append((output.output, output.rejects))
    assert outputs[0] == outputs[1]
    answer = pd.read_parquet(io.BytesIO(outputs[0][0]))
    assert answer.to_csv(index=False).encode() == expected(content)[0]


def in_gzip(content: bytes) -> bytes:
    """Return members of odd sizes, with padding between them."""
    cuts = [0, 7, 30_000, 30_001, len(content)]
    members = (gzip.compress(content[begin:end]) for begin, end in pairwise(cuts))
    return b"\0\0".join(members)


def in_zstd(content: bytes) -> bytes:
    """Return two frames."""
    frames = (content[:50_000], content[50_000:])
    return b"".join(pa.compress(frame, codec="zstd", asbytes=True) for frame in frames)


@pytest.mark.parametrize("processes", range(1, PROCESSES + 1))
@pytest.mark.parametrize("compress", [in_gzip, in_zstd])
async def test_a_compressed_file_gives_the_output_of_the_plain_one(
    slots: list[ProcessSlot], processes: int, compress: Callable[[bytes], bytes]
) -> None:
    content, outputs = file_of_rows(), [AsyncMemoryOutput(), AsyncMemoryOutput()]
    result = await predict(Pool(slots[:processes]), compress(content), outputs[0])
    await predict(Pool(slots[:1]), compress(content), outputs[1])
    predictions, rejected_lines = expected(content)
    packed = bytes(outputs[0].output)
    assert detect_compression(packed) is not None
    assert b"".join(decompress(iter([packed]), detect_compression(packed))) == predictions
    rejected = pd.read_csv(io.BytesIO(outputs[0].rejects))
    assert list(rejected["line"]) == rejected_lines
    assert outputs[0] == outputs[1]
    assert (result.rows, result.rejected) == (2000 - len(rejected), len(rejected))
    if processes > 1:  # else the process keeps the text, and no part is counted
        assert result.parts is not None
        assert result.parts.parts > 20
        assert (result.parts.repeated_parts, result.parts.processes) == (0, processes)


@pytest.mark.parametrize("processes", [1, 2, 4])
async def test_a_compressed_file_that_ends_early_fails_as_it_does_in_one_piece(
    slots: list[ProcessSlot], processes: int
) -> None:
    packed = gzip.compress(file_of_rows())[:-1000]
    with pytest.raises(Unparsable) as error:
        await predict(Pool(slots[:processes]), packed, AsyncMemoryOutput())
    assert str(error.value) == f"the gzip data is truncated: it ends at byte {len(packed)}"


async def test_a_job_on_a_compressed_file_can_be_cancelled(slots: list[ProcessSlot]) -> None:
    pool, blocked = Pool(slots[:3]), BlockedOutput()
    job = asyncio.create_task(predict(pool, in_gzip(file_of_rows()), blocked))
    await blocked.has_begun.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    output = AsyncMemoryOutput()
    await predict(pool, in_zstd(file_of_rows()), output)
    assert detect_compression(bytes(output.output)) == "zstd"


async def test_small_files_are_finished_while_a_large_file_is_blocked(
    slots: list[ProcessSlot],
) -> None:
    pool, content, blocked = Pool(slots[:2]), file_of_rows(), BlockedOutput()
    large = asyncio.create_task(predict(pool, content, blocked))
    await blocked.has_begun.wait()
    for _ in range(3):
        small = AsyncMemoryOutput()
        await predict(pool, b"id,x,note\na,1,\n", small)
        assert small.output == b"id,prediction\na,2\n"
    assert not large.done()
    blocked.may_go_on.set()
    await large
    assert blocked.output == expected(content)[0]


@pytest.mark.parametrize("compress", [bytes, in_gzip])
async def test_a_process_that_is_killed_fails_its_job_and_leaves_the_pool_whole(
    slots: list[ProcessSlot], compress: Callable[[bytes], bytes]
) -> None:
    pool = Pool(slots[:3])
    with pytest.raises(ProcessLost):
        await predict(pool, compress(file_of_rows(deadly_row=900)), AsyncMemoryOutput())
    content, output = file_of_rows(), AsyncMemoryOutput()
    result = await predict(pool, compress(content), output)
    plain = decompress(iter([bytes(output.output)]), detect_compression(bytes(output.output)))
    assert b"".join(plain) == expected(content)[0]
    assert result.parts is not None
    assert result.parts.processes == 3

"""The pool on real processes: what they answer, what ends them, and what they outlive.

Where the model is not the point a process loads none, for scikit-learn takes seconds each time: so
nothing that the processes import from here imports it either.
"""

# ruff: noqa: PLC0415 - see above
import asyncio
import builtins
import io
import json
import multiprocessing
import os
import pickle
import resource
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.fakes.async_streams import AsyncMemoryInput, AsyncMemoryOutput
from worker import errors
from worker.errors import (
    InputOverwritten,
    ModelError,
    NeedsMemory,
    PermanentError,
    ProcessLost,
    SchemaMismatch,
    TransientError,
    Unparsable,
)
from worker.interfaces import (
    CutPart,
    FilePlan,
    InputReader,
    OutputForm,
    OutputSink,
    PartResult,
    Range,
    ScoreOptions,
    ScoreResult,
)
from worker.metrics import Metrics
from worker.pool import child, forkserver
from worker.pool.channel import Assignment
from worker.pool.channel import ChildChannel as PoolLine
from worker.pool.child import OOM_SCORE_ADJ, Scorer
from worker.pool.forkserver import THREAD_VARIABLES
from worker.pool.model_plan import ModelPlan
from worker.pool.pool import Pool, open_pool

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SECONDS = 600  # only a hang lasts as long
HEAVY = ("joblib", "numpy", "pandas", "pyarrow", "scipy", "sklearn")

Score = Callable[[InputReader, ScoreOptions, OutputSink], ScoreResult | FilePlan]

_lines: list[socket.socket] = []  # of the process; they break when it ends


@dataclass(frozen=True)
class Obedient:
    """Its process does what the body says and answers in the output; without a model."""

    loading: str = "pid"  # the order it begins with

    def __call__(self) -> Scorer:
        obey(self.loading)
        return ScorerOf(follow)


@dataclass(frozen=True)
class ScorerOf:
    """Predicts no file in parts."""

    open_file: Score

    def score_part(self, *_: object) -> PartResult:
        raise AssertionError

    def score_all_parts(self, *_: object) -> ScoreResult:
        raise AssertionError

    def cut_part(self, *_: object) -> CutPart:
        raise AssertionError


def follow(reader: InputReader, _: ScoreOptions, output: OutputSink) -> ScoreResult | FilePlan:
    match reader.first.split():
        case [b"half"]:
            next(iter(reader.read([(5, reader.size)])))
            raise Unparsable("that is enough of it")
        case [b"reserve", size]:
            reader.reserve(int(size))
            return tell_of(None, output)
        case [b"reject", row]:
            output.reject(row)
            return tell_of(None, output)
    return tell_of(obey(all_of(reader).decode()), output)


def obey(orders: str) -> object:
    order, _, detail = orders.partition(" ")
    known: dict[str, Callable[[], object]] = {
        "pid": os.getpid,
        "parent": os.getppid,
        "length": lambda: len(detail),
        "echo": lambda: detail,
        "call": lambda: call(detail),
        "hold": lambda: hold(detail),
        "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "fork": lambda: fork(detail),
        "raise": lambda: fail(detail),
        "compute": compute,
        "print": lambda: talk(detail),
        "heavy": lambda: sorted(set(HEAVY) & set(sys.modules)),
        "oom": lambda: oom_score_adj(os.getpid()),
    }
    return known[order]()


def call(port: str) -> int:
    """Call the test; the line breaks when this process ends."""
    line = socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS)
    line.sendall(b"%d\n" % os.getpid())
    _lines.append(line)
    return os.getpid()


def hold(port: str) -> int:
    """Call the test, and go on when it says so."""
    # Some Pythons start the process with these blocked, which is not what it relies on.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    pid = call(port)
    _lines[-1].recv(1)
    return pid


def fork(port: str) -> None:
    """Leave a process behind that holds all that this one holds, and die."""
    if os.fork() == 0:
        try:
            hold(port)
        finally:
            os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def talk(text: str) -> None:
    """Print without a line end, as Python does and as a C library does."""
    print(text, end="", flush=True)  # noqa: T201 - as a model might
    print(text, end="")  # noqa: T201 - which stays in the buffer
    os.write(1, text.encode())
    sys.__stdout__.write(text)  # type: ignore[union-attr] # a process has one


def compute() -> object:
    """Multiply and predict by as many threads as the libraries were given."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    numbers = np.arange(1_000_000.0).reshape(1000, 1000) % 7
    classes = (numbers @ numbers)[:, 0] % 2
    model = HistGradientBoostingClassifier(max_iter=3).fit(numbers[:, :5], classes)
    return [threads(), len(model.predict(numbers[:, :5]))]


class Odd(SchemaMismatch):
    """As a plug-in might define it: no module but its own has it, and no pickle can make it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, threading.Lock())

    def __str__(self) -> str:
        return str(self.args[0])


def fail(kind: str) -> None:
    places = (errors, builtins, sys.modules[__name__])
    raise next(getattr(place, kind) for place in places if hasattr(place, kind))(
        f"{kind} from the child"
    )


def bring_to_a_halt(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    while "State:\tT" not in Path(f"/proc/{pid}/status").read_text():
        os.sched_yield()


def oom_score_adj(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@dataclass(frozen=True)
class WithModel:
    """Its process has a real model, and says how many threads the libraries were given."""

    path: Path

    def __call__(self) -> Scorer:
        plan = ModelPlan(self.path, None, "m", "auto", None, "json", "error")
        scorer = plan.load()

        def either(
            reader: InputReader, options: ScoreOptions, output: OutputSink
        ) -> ScoreResult | FilePlan:
            if reader.first == b"threads":
                return tell_of(threads(), output)
            return scorer.open_file(reader, options, output)

        return ScorerOf(either)


def threads() -> object:
    import threadpoolctl  # type: ignore[import-untyped]  # it has none

    pools = sorted(threadpoolctl.threadpool_info(), key=lambda pool: str(pool["internal_api"]))
    found = {pool["internal_api"]: pool["num_threads"] for pool in pools}
    variables = [os.environ.get(name) for name in THREAD_VARIABLES]
    return [variables, found]


def all_of(reader: InputReader) -> bytes:
    return reader.first + b"".join(reader.read([(len(reader.first), reader.size)]))


def tell_of(answer: object, output: OutputSink) -> ScoreResult:
    output.open(OutputForm("application/json", None))
    output.write(json.dumps(answer).encode())
    return ScoreResult(1, 0)


async def pid_of(pool: Pool, order: str = "pid", *, fresh: bool = False) -> int:
    pid = await tell(pool, order, fresh=fresh)
    assert isinstance(pid, int)
    return pid


async def tell(pool: Pool, order: str, *, fresh: bool = False) -> object:
    collected = AsyncMemoryOutput()
    await pool.score(AsyncMemoryInput(order.encode()), ScoreOptions(), collected, fresh=fresh)
    answer: object = json.loads(collected.output)
    return answer


class Caller:
    """A process on the line."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer

    def let_go(self) -> None:
        self._writer.write(b"!")

    async def gone(self) -> None:
        assert await self._reader.read() == b""

    def hang_up(self) -> None:
        self._writer.close()


class ChildChannel:
    """Where processes call the test."""

    def __init__(self) -> None:
        self.port = 0
        self._waiting: asyncio.Queue[Caller] = asyncio.Queue()
        self._callers: list[Caller] = []

    async def ring(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers.append(Caller(int(await reader.readline()), reader, writer))
        self._waiting.put_nowait(self._callers[-1])

    async def caller(self) -> Caller:
        return await self._waiting.get()

    async def let_in(self) -> Caller:
        caller = await self.caller()
        caller.let_go()
        return caller

    async def kill_one_and_let_in_the_next(self) -> Caller:
        os.kill((await self.caller()).pid, signal.SIGKILL)
        return await self.let_in()

    def hang_up(self) -> None:
        for caller in self._callers:
            caller.hang_up()


@asynccontextmanager
async def listening() -> AsyncIterator[ChildChannel]:
    line = ChildChannel()
    server = await asyncio.start_server(line.ring, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(SECONDS):
        try:
            yield line
        finally:
            line.hang_up()


async def keep_one_idle_and_one_busy(port: int) -> None:
    """Run as a process of its own, which the test kills."""
    async with open_pool(Obedient(), 2) as pool:
        await asyncio.gather(tell(pool, f"hold {port}"), tell(pool, f"call {port}"))


async def keep_one_at(loading: str, predicting: str) -> None:
    """Run as a process of its own, which the test kills."""
    async with open_pool(Obedient(loading), 1) as pool:
        await tell(pool, predicting)


async def leave_nothing(port: int) -> None:
    """Run as a process of its own: use a pool in every way, then close it on a stopped process."""
    async with open_pool(Obedient(), 2, close_seconds=0.1) as pool:
        await tell(pool, "pid", fresh=True)
        job = asyncio.create_task(tell(pool, f"hold {port}"))
        os.kill(await pid_of(pool, f"call {port}"), signal.SIGSTOP)
        job.cancel()
        await asyncio.wait([job])
    assert threading.enumerate() == [threading.main_thread()]
    for process in multiprocessing.active_children():  # killed, but perhaps not gone yet
        process.join(SECONDS)
    assert multiprocessing.active_children() == []
    print("closed")  # noqa: T201 - for the test


async def compute_in_two_processes_at_once() -> None:
    """Run as a process of its own, with the forkserver of a worker that gives each two threads."""
    await forkserver.ready()
    async with open_pool(Obedient(), 2) as pool:
        print(await asyncio.gather(tell(pool, "compute"), tell(pool, "compute")))  # noqa: T201 - for the test


async def say_what_a_process_begins_with() -> None:
    """Run as a process of its own, with the forkserver of a worker."""
    await forkserver.ready()
    async with open_pool(Obedient(), 1) as pool:
        print(await tell(pool, "heavy"))  # noqa: T201 - for the test


async def print_among_metrics() -> None:
    """Run as a process of its own: write metrics while the model of the pool prints."""
    metrics = Metrics("q", sys.stdout)
    async with open_pool(Obedient("print loading"), 1) as pool:
        for _ in range(3):
            await tell(pool, "print predicting")
            metrics.retried()
            metrics.flush()


SLOW_IMPORT = """
import os

if port := os.environ.get("SLOW_IMPORT_PORT"):
    from tests.integration.test_pool import hold

    hold(port)
"""


async def replace_a_process_while_its_forkserver_imports() -> None:
    """Run as a process of its own, whose event loop the imports of the new forkserver wait for."""
    async with listening() as line, open_pool(Obedient(), 1) as pool:
        server = await pid_of(pool, "parent")
        os.environ["SLOW_IMPORT_PORT"] = str(line.port)
        os.kill(server, signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, server, os.WEXITED | os.WNOWAIT)
        job = asyncio.create_task(_tell_though_the_process_may_die(pool, "parent"))
        importing = await line.let_in()
        assert await job == importing.pid
        print(await tell(pool, "heavy"))  # noqa: T201 - for the test


async def _tell_though_the_process_may_die(pool: Pool, order: str) -> object:
    """Return the answer to the order; an idle process ends soon after its forkserver."""
    with suppress(ProcessLost):
        return await tell(pool, order)
    return await tell(pool, order)


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run_here(
    call: str, libraries: Sequence[str] = (__name__,), *, threads: int = 1, early: bool = False
) -> asyncio.subprocess.Process:
    """Start a process of its own that runs a coroutine of this module."""
    start = f"forkserver.start({threads}, {libraries})"
    if early:
        start = f"forkserver.start_early({{}}); t.{start}"
    code = f"import asyncio, {__name__} as t; t.{start}; asyncio.run(t.{call})"
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=pipe, stderr=pipe
    )


@pytest.fixture(scope="module", autouse=True)
def preload() -> None:
    """Import this module and pytest once, not once a process."""
    forkserver.start(1, [__name__])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Pool]:
    """Two processes for all tests: a pool is whole again after whatever a job did to it."""
    async with open_pool(Obedient(), 2) as pool:
        yield pool


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, pd.DataFrame]":
    """A model and what it was trained on."""
    from tests.support.scenario import iris, model_file

    return model_file(tmp_path_factory.mktemp("model")), iris()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def iris_pool(trained: "tuple[Path, pd.DataFrame]") -> AsyncIterator[Pool]:
    async with open_pool(WithModel(trained[0]), 1) as pool:
        yield pool


async def test_a_file_is_predicted_by_the_model(
    trained: "tuple[Path, pd.DataFrame]", iris_pool: Pool
) -> None:
    import joblib
    import numpy as np
    import pandas as pd

    model, frame = trained

    collected = AsyncMemoryOutput()
    reader = AsyncMemoryInput(frame.to_csv(index=False).encode(), first_bytes=100)
    scored = await iris_pool.score(reader, ScoreOptions(), collected)

    answer = pd.read_csv(io.BytesIO(collected.output), dtype={"id": str})
    assert (scored.rows, scored.rejected) == (len(frame), 0)
    assert list(answer["id"]) == list(frame["id"])
    expected = joblib.load(model).predict_proba(frame.iloc[:, 1:])[:, 1]
    np.testing.assert_allclose(answer["activation"], expected, rtol=1e-12)


async def test_what_is_wrong_with_a_file_is_raised_here_as_it_was_there(iris_pool: Pool) -> None:
    file = AsyncMemoryInput(b"id,sepal_length,sepal_width,petal_length\n1,2,3,4\n")
    with pytest.raises(SchemaMismatch, match="petal_width") as caught:
        await iris_pool.score(file, ScoreOptions(), AsyncMemoryOutput())
    assert "in select" in caught.value.__notes__[0]  # where it was raised, for the report


async def test_the_math_libraries_keep_to_the_threads_of_the_forkserver(iris_pool: Pool) -> None:
    assert await tell(iris_pool, "threads") == [
        ["1"] * len(THREAD_VARIABLES),
        {"openblas": 1, "openmp": 1},
    ]


async def test_a_process_begins_with_the_libraries_its_forkserver_has_imported() -> None:
    process = await run_here("say_what_a_process_begins_with()", forkserver.LIBRARIES, early=True)
    stdout, stderr = await process.communicate()
    assert (stdout, stderr) == (f"{sorted(HEAVY)}\n".encode(), b"")


async def test_what_is_forked_with_the_libraries_computes_by_as_many_threads_as_it_may() -> None:
    """The forkserver of the early start, for one thread a process, is replaced."""
    call = "compute_in_two_processes_at_once()"
    process = await run_here(call, forkserver.LIBRARIES, threads=2, early=True)
    stdout, stderr = await process.communicate()
    one = [[["2"] * len(THREAD_VARIABLES), {"openblas": 2, "openmp": 2}], 1000]
    assert (stdout, stderr) == (f"{[one, one]}\n".encode(), b"")


async def test_the_event_loops_process_loads_none_of_the_math_libraries() -> None:
    code = (
        f"import sys, worker.__main__, worker.service.run; print({{*{HEAVY}}} & {{*sys.modules}})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert stdout == b"set()\n"


async def test_every_permanent_error_keeps_class_and_message_and_costs_no_process(
    pool: Pool,
) -> None:
    pid = await tell(pool, "pid")
    kinds: list[type[PermanentError]] = [PermanentError, *PermanentError.__subclasses__()]
    for kind in kinds:
        with pytest.raises(PermanentError) as caught:
            await tell(pool, f"raise {kind.__name__}")
        assert type(caught.value) is kind
        assert str(caught.value) == f"{kind.__name__} from the child"
    assert await tell(pool, "pid") == pid


@pytest.mark.parametrize("kind", ["MemoryError", "SystemExit", "KeyboardInterrupt"])
async def test_what_nobody_foresaw_is_transient_and_says_what_it_was(pool: Pool, kind: str) -> None:
    pid = await tell(pool, "pid")
    with pytest.raises(TransientError, match=f"{kind}: {kind} from the child"):
        await tell(pool, f"raise {kind}")
    assert await tell(pool, "pid") == pid


async def test_a_plug_ins_own_kind_of_error_arrives_as_the_kind_of_ours_that_it_is(
    pool: Pool,
) -> None:
    pid = await tell(pool, "pid")
    with pytest.raises(SchemaMismatch, match="Odd from the child") as caught:
        await tell(pool, "raise Odd")
    assert type(caught.value) is SchemaMismatch
    assert "in fail" in caught.value.__notes__[0]
    assert await tell(pool, "pid") == pid


async def test_a_file_whose_rest_never_comes_is_not_predicted() -> None:
    ours, theirs = socket.socketpair()
    predicted: list[bytes] = []

    def score(reader: InputReader, _: ScoreOptions, output: OutputSink) -> ScoreResult:
        predicted.append(reader.first)
        return tell_of(None, output)

    with ours, theirs, theirs.makefile("rwb") as stream:
        ours.sendall(pickle.dumps(Assignment(ScoreOptions(), 8, 8)) + b"1234")
        ours.shutdown(socket.SHUT_WR)
        with suppress(EOFError):
            child.predict_next(PoolLine(stream), ScorerOf(score))
    assert predicted == []


async def test_what_a_model_prints_does_not_stand_among_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "printing_library.py").write_text("print('importing', end='')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = await run_here("print_among_metrics()", [__name__, "printing_library"])
    stdout, stderr = await process.communicate()
    assert [json.loads(line)["retried"] for line in stdout.splitlines()] == [1, 1, 1]
    for said in (b"importing", b"loading", b"predicting"):
        assert said in stderr


async def test_a_body_larger_than_any_buffer_arrives_whole(pool: Pool) -> None:
    assert await tell(pool, "length " + "x" * (8 << 20)) == 8 << 20


async def test_a_file_is_read_by_ranges_while_its_output_is_written(pool: Pool) -> None:
    orders = b"echo " + b"".join(b"%07d" % number for number in range(500_000))
    for begins_with, piece in ((0, 1 << 20), (5, 1 << 16), (1 << 20, 3 << 20)):
        reader, collected = AsyncMemoryInput(orders, begins_with, piece), AsyncMemoryOutput()
        await pool.score(reader, ScoreOptions(), collected)
        assert reader.asked == [(begins_with, len(orders))]
        assert json.loads(collected.output) == orders.decode().removeprefix("echo ")


class Broken(AsyncMemoryInput):
    """Its second piece never comes."""

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        async for piece in super().read(ranges):
            yield piece
            raise InputOverwritten("another version by now")


class Full(AsyncMemoryOutput):
    """Takes the first piece in and no more."""

    async def write(self, data: bytes) -> None:
        if self.output:
            raise TransientError("no room")
        await super().write(data)


async def test_a_read_that_fails_fails_its_own_job_with_its_own_error(pool: Pool) -> None:
    broken = Broken(b"length " + bytes(9 << 20), 1000)
    with pytest.raises(InputOverwritten, match="another version"):
        await pool.score(broken, ScoreOptions(), AsyncMemoryOutput())
    assert await tell(pool, "pid")


async def test_an_outlet_that_fails_fails_its_own_job_with_its_own_error(pool: Pool) -> None:
    with pytest.raises(TransientError, match="no room"):
        await pool.score(AsyncMemoryInput(b"echo " + b"x" * (9 << 20)), ScoreOptions(), Full())
    assert await tell(pool, "pid")


async def test_a_file_that_fails_half_read_costs_no_process(pool: Pool) -> None:
    pid = await tell(pool, "pid")
    for _ in range(3):
        half_read = AsyncMemoryInput(b"half " + bytes(32 << 20), first_bytes=5, piece=1 << 20)
        with pytest.raises(Unparsable, match="enough of it"):
            await pool.score(half_read, ScoreOptions(), AsyncMemoryOutput())
    assert await tell(pool, "pid") == pid


async def test_a_file_that_needs_more_memory_says_how_much(pool: Pool) -> None:
    options = ScoreOptions(reserved_bytes=1000)
    with pytest.raises(NeedsMemory) as caught:
        await pool.score(AsyncMemoryInput(b"reserve 1001"), options, AsyncMemoryOutput())
    assert caught.value.size == 1001
    await pool.score(AsyncMemoryInput(b"reserve 1000"), options, AsyncMemoryOutput())


async def test_rejected_rows_leave_beside_the_output(pool: Pool) -> None:
    collected = AsyncMemoryOutput()
    await pool.score(AsyncMemoryInput(b"reject this"), ScoreOptions(), collected)
    assert collected.rejects == b"this"
    assert collected.output == b"null"


async def test_a_model_that_cannot_be_loaded_ends_the_start() -> None:
    with pytest.raises(ModelError, match="ModelError from the child"):
        async with open_pool(Obedient("raise ModelError"), 2):
            pytest.fail("the pool opened")


async def test_a_library_missing_when_the_model_loads_is_an_error_of_the_model() -> None:
    with pytest.raises(ModelError, match="ImportError: ImportError from the child"):
        async with open_pool(Obedient("raise ImportError"), 1):
            pytest.fail("the pool opened")


async def test_a_process_killed_while_it_loads_the_model_is_started_once_more() -> None:
    async with listening() as line:
        second = asyncio.create_task(line.kill_one_and_let_in_the_next())
        async with open_pool(Obedient(f"hold {line.port}"), 1) as pool:
            assert await tell(pool, "pid") == (await second).pid


async def test_a_process_killed_twice_while_it_loads_the_model_ends_the_start() -> None:
    with pytest.raises(ProcessLost, match="loaded the model"):
        async with open_pool(Obedient("die"), 1):
            pytest.fail("the pool opened")


async def test_a_process_that_cannot_be_started_is_not_said_to_have_been_killed() -> None:
    said = "cannot be started: .*Too many open files"
    with no_descriptors_left(), pytest.raises(ProcessLost, match=said):
        async with open_pool(Obedient(), 1):
            pytest.fail("the pool opened")


async def test_a_killed_process_fails_its_own_job_alone_and_the_next_runs_on_a_new_one(
    pool: Pool,
) -> None:
    async with listening() as line:
        neighbour = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        dying = await tell(pool, "pid")
        with pytest.raises(ProcessLost):
            await tell(pool, "die")
        assert await tell(pool, "pid") not in {dying, held.pid, os.getpid()}
        held.let_go()
        assert await neighbour == held.pid


async def test_a_slot_outlives_twenty_kills_of_its_jobs(pool: Pool) -> None:
    for _ in range(20):
        with pytest.raises(ProcessLost):
            await tell(pool, "die")
    assert await tell(pool, "pid")


async def test_twenty_kills_of_an_idle_process_fail_no_job(pool: Pool) -> None:
    for _ in range(20):
        idle = await pid_of(pool)
        os.kill(idle, signal.SIGKILL)
        assert await tell(pool, "pid") != idle


async def test_a_job_whose_process_died_is_lost_though_a_fork_of_it_lives_on(pool: Pool) -> None:
    async with listening() as line:
        with pytest.raises(ProcessLost):
            await tell(pool, f"fork {line.port}")
        (await line.caller()).let_go()


async def test_a_fresh_job_has_a_process_that_runs_nothing_before_it_and_nothing_after(
    pool: Pool,
) -> None:
    async with listening() as line:
        neighbour = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        before = await tell(pool, f"call {line.port}")
        old = await line.caller()
        fresh = await tell(pool, f"call {line.port}", fresh=True)
        await old.gone()
        await (await line.caller()).gone()
        after = await tell(pool, "pid")
        assert len({before, fresh, after, held.pid}) == 4
        assert await tell(pool, "pid") == after
        held.let_go()
        assert await neighbour == held.pid


@pytest.mark.parametrize("order", ["raise PermanentError", "die"])
async def test_a_fresh_job_that_fails_leaves_a_slot_for_the_next(pool: Pool, order: str) -> None:
    before = await tell(pool, "pid")
    with pytest.raises((PermanentError, ProcessLost)):
        await tell(pool, order, fresh=True)
    assert await tell(pool, "pid") != before


async def test_a_cancelled_job_loses_its_process_and_frees_its_slot(pool: Pool) -> None:
    async with listening() as line:
        neighbour = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        job = asyncio.create_task(tell(pool, f"hold {line.port}"))
        cancelled = await line.caller()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await cancelled.gone()
        assert await tell(pool, "pid") not in {cancelled.pid, held.pid}
        held.let_go()
        assert await neighbour == held.pid


async def test_a_process_that_loads_the_model_ends_with_the_job_it_loads_it_for() -> None:
    async with listening() as line:
        first = asyncio.create_task(line.let_in())
        async with open_pool(Obedient(f"hold {line.port}"), 1) as pool:
            os.kill((await first).pid, signal.SIGKILL)
            job = asyncio.create_task(tell(pool, "pid"))
            loading = await line.caller()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            await loading.gone()

            job = asyncio.create_task(tell(pool, "pid"))
            os.kill((await line.caller()).pid, signal.SIGKILL)
            with pytest.raises(ProcessLost, match="loaded the model"):
                await job

            job = asyncio.create_task(tell(pool, "pid"))
            last = await line.let_in()
            assert await job == last.pid


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    async def start(port: int) -> None:
        async with open_pool(Obedient(f"hold {port}"), 2):
            pytest.fail("the pool opened")

    async with listening() as line:
        starting = asyncio.create_task(start(line.port))
        callers = [await line.caller(), await line.caller()]
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        for caller in callers:
            await caller.gone()


@pytest.mark.parametrize("padding", [0, 8 << 20])
async def test_a_job_cancelled_in_any_turn_of_the_loop_leaves_no_process(padding: int) -> None:
    others = set(multiprocessing.active_children())
    async with listening() as line, open_pool(Obedient(), 1) as pool:
        order = f"hold {line.port}" + " " * padding  # more turns, while the body is sent
        for turns in range(1, 41):
            job = asyncio.create_task(tell(pool, order, fresh=True))
            for _ in range(turns):
                await asyncio.sleep(0)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            for process in {*multiprocessing.active_children()} - others:
                assert wait([process.sentinel], SECONDS)
        assert await tell(pool, "pid")


async def test_a_job_waits_for_a_free_slot_and_one_cancelled_there_costs_no_process(
    pool: Pool,
) -> None:
    async with listening() as line:
        jobs = [asyncio.create_task(tell(pool, f"hold {line.port}")) for _ in range(2)]
        held, longer = await line.caller(), await line.caller()
        given_up, waiting = (asyncio.create_task(tell(pool, "pid")) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        held.let_go()
        assert await waiting == held.pid
        longer.let_go()
        assert {await job for job in jobs} == {held.pid, longer.pid}


async def test_a_stopped_process_ends_with_its_job(pool: Pool) -> None:
    async with listening() as line:
        job = asyncio.create_task(tell(pool, f"hold {line.port}"))
        stopped = await line.caller()
        os.kill(stopped.pid, signal.SIGSTOP)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await stopped.gone()
        assert await tell(pool, "pid") != stopped.pid


async def test_a_process_stopped_while_idle_ends_with_the_job_it_does_not_take(pool: Pool) -> None:
    async with listening() as line:
        idle = await pid_of(pool, f"call {line.port}")
        os.kill(idle, signal.SIGSTOP)
        job = asyncio.create_task(tell(pool, "pid"))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await (await line.caller()).gone()
        assert await tell(pool, "pid") != idle


async def test_a_fresh_job_cancelled_while_a_stopped_process_makes_room_for_it_ends_both() -> None:
    async with listening() as line, open_pool(Obedient(), 1, close_seconds=SECONDS) as pool:
        os.kill(await pid_of(pool, f"call {line.port}"), signal.SIGSTOP)
        job = asyncio.create_task(tell(pool, "pid", fresh=True))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await (await line.caller()).gone()
        assert await tell(pool, "pid")


async def test_signals_meant_for_the_worker_do_not_reach_a_prediction(pool: Pool) -> None:
    async with listening() as line:
        job = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(held.pid, number)
        held.let_go()
        assert await job == held.pid


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such score")
async def test_out_of_memory_the_kernel_takes_a_pool_process_before_the_worker(pool: Pool) -> None:
    forkserver = await pid_of(pool, "parent")
    assert await tell(pool, "oom") == OOM_SCORE_ADJ
    assert oom_score_adj(os.getpid()) < OOM_SCORE_ADJ
    assert oom_score_adj(forkserver) == oom_score_adj(os.getpid())


async def test_the_processes_end_with_the_pool() -> None:
    async with listening() as line:
        async with open_pool(Obedient(), 1, close_seconds=SECONDS) as pool:
            await tell(pool, f"call {line.port}")
        await (await line.caller()).gone()


async def test_a_stopped_process_does_not_keep_the_pool_from_closing() -> None:
    async with listening() as line:
        async with open_pool(Obedient(), 1, close_seconds=0.1) as pool:
            os.kill(await pid_of(pool, f"call {line.port}"), signal.SIGSTOP)
        await (await line.caller()).gone()


async def test_a_closed_pool_leaves_no_process_no_thread_and_nothing_to_wait_for() -> None:
    async with listening() as line:
        worker = await run_here(f"leave_nothing({line.port})")
        stdout, stderr = await worker.communicate()
        assert stdout.endswith(b"closed\n")
        assert (stderr, worker.returncode) == (b"", 0)


async def test_idle_and_busy_processes_end_when_the_worker_is_killed() -> None:
    async with listening() as line:
        worker = await run_here(f"keep_one_idle_and_one_busy({line.port})")
        callers = [await line.caller(), await line.caller()]
        worker.kill()
        await worker.communicate()
        for caller in callers:
            await caller.gone()


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not do it")
@pytest.mark.parametrize("moment", ["loading", "predicting"])
async def test_a_process_that_can_do_nothing_itself_ends_when_the_worker_is_killed(
    moment: str,
) -> None:
    async with listening() as line:
        orders = {"loading": "pid", "predicting": "pid"} | {moment: f"hold {line.port}"}
        worker = await run_here(f"keep_one_at(**{orders})")
        held = await line.caller()
        bring_to_a_halt(held.pid)
        worker.kill()
        try:
            await held.gone()
        finally:
            with suppress(ProcessLookupError):
                os.kill(held.pid, signal.SIGKILL)
            await worker.communicate()


async def test_a_killed_forkserver_costs_the_jobs_under_way_and_no_more() -> None:
    async with listening() as line, open_pool(Obedient(), 1) as pool:
        forkserver = await pid_of(pool, "parent")
        job = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        os.kill(forkserver, signal.SIGKILL)
        # Its descriptors break a moment before it is seen to have ended.
        await asyncio.to_thread(os.waitid, os.P_PID, forkserver, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLost):
            await job
        await held.gone()
        assert await tell(pool, "pid") != held.pid


async def test_the_imports_of_a_new_forkserver_do_not_block_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_import.py").write_text(SLOW_IMPORT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    call = "replace_a_process_while_its_forkserver_imports()"
    process = await run_here(call, [*forkserver.LIBRARIES, "slow_import"])
    stdout, stderr = await process.communicate()
    assert stdout.endswith(f"{sorted(HEAVY)}\n".encode())  # a warning that a process died precedes
    assert stderr == b""

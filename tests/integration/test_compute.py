"""The pool on real processes: what they answer, what ends them, and what they outlive."""

import asyncio
import csv
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import pytest_asyncio
import threadpoolctl  # type: ignore[import-untyped]  # it has none

from worker import errors
from worker.child import THREAD_VARIABLES, ModelPlan
from worker.compute import Pool, open_pool
from worker.errors import ComputeLost, ModelError, PermanentError, SchemaMismatch
from worker.scored import ScoreOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SECONDS = 30  # after which a test has failed
HEAVY = ("joblib", "numpy", "pandas", "pyarrow", "scipy", "sklearn")


class Obedient:
    """Does in its process what the first cell says, and answers in the prediction."""

    def __init__(self, _: Path) -> None:
        self._lines: list[socket.socket] = []

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        order, _, detail = str(frame.iloc[0, 0]).partition(" ")
        orders: dict[str, Callable[[], object]] = {
            "pid": os.getpid,
            "call": lambda: self._call(detail),
            "hold": lambda: self._hold(detail),
            "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "raise": lambda: self._raise(detail),
            "threads": self._threads,
        }
        return pd.DataFrame({"prediction": [json.dumps(orders[order]())]})

    def _call(self, port: str) -> int:
        """Call the test; the line breaks when this process ends."""
        line = socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS)
        line.sendall(b"%d\n" % os.getpid())
        self._lines.append(line)
        return os.getpid()

    def _hold(self, port: str) -> int:
        """Call the test, and go on when it says so."""
        # Some Pythons start the process with these blocked, which is not what it relies on.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        pid = self._call(port)
        self._lines[-1].recv(1)
        return pid

    def _raise(self, kind: str) -> None:
        raise getattr(errors, kind)(f"{kind} from the child")

    def _threads(self) -> object:
        pools = threadpoolctl.threadpool_info()
        return {
            "variables": [os.environ.get(name) for name in THREAD_VARIABLES],
            "pools": {pool["internal_api"]: pool["num_threads"] for pool in pools},
        }


def killed_while_loading(_: Path) -> Obedient:
    """End as by the kernel when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def plan(path: Path = Path("unused"), *, factory: str | None = None) -> ModelPlan:
    return ModelPlan(path, "auto", factory, threads=1, log_format="json", log_level="error")


OBEDIENT = plan(factory=f"{__name__}:Obedient")


async def tell(pool: Pool, order: str) -> object:
    scored = await pool.score(f"id,order\n1,{order}\n".encode(), ScoreOptions())
    (row,) = csv.DictReader(io.StringIO(scored.output.decode()))
    answer: object = json.loads(row["prediction"])
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


class Line:
    """Where processes call the test."""

    def __init__(self) -> None:
        self.port = 0
        self._calls: asyncio.Queue[Caller] = asyncio.Queue()
        self._taken: list[Caller] = []

    async def ring(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls.put_nowait(Caller(int(await reader.readline()), reader, writer))

    async def caller(self) -> Caller:
        self._taken.append(await self._calls.get())
        return self._taken[-1]

    def hang_up(self) -> None:
        for caller in self._taken:
            caller.hang_up()


@asynccontextmanager
async def listening() -> AsyncIterator[Line]:
    line = Line()
    server = await asyncio.start_server(line.ring, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(SECONDS):
        try:
            yield line
        finally:
            line.hang_up()


async def keep_one_idle_and_one_busy(port: int) -> None:
    """Run as a process of its own, which the test kills."""
    async with open_pool(OBEDIENT, 2) as pool:
        await asyncio.gather(tell(pool, f"hold {port}"), tell(pool, f"call {port}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Pool]:
    """Two processes for all tests: a pool is whole again after whatever a job did to it."""
    async with open_pool(OBEDIENT, 2) as pool:
        yield pool


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A model and what it was trained on."""
    # The processes import this module too, and boto3 would take each of them a second.
    from tests.scenario import iris, model_file  # noqa: PLC0415 - see above

    return model_file(tmp_path_factory.mktemp("model")), iris()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def iris_pool(trained: tuple[Path, pd.DataFrame]) -> AsyncIterator[Pool]:
    async with open_pool(plan(trained[0]), 1) as pool:
        yield pool


async def test_a_file_is_predicted_by_the_model(
    trained: tuple[Path, pd.DataFrame], iris_pool: Pool
) -> None:
    model, frame = trained

    scored = await iris_pool.score(frame.to_csv(index=False).encode(), ScoreOptions())

    answer = pd.read_csv(io.BytesIO(scored.output), dtype={"id": str})
    assert (scored.rows, scored.rejected) == (len(frame), 0)
    assert list(answer["id"]) == list(frame["id"])
    expected = joblib.load(model).predict_proba(frame.iloc[:, 1:])[:, 1]
    np.testing.assert_allclose(answer["activation"], expected, rtol=1e-12)


async def test_what_is_wrong_with_a_file_is_raised_here_as_it_was_there(iris_pool: Pool) -> None:
    with pytest.raises(SchemaMismatch, match="petal_width"):
        await iris_pool.score(
            b"id,sepal_length,sepal_width,petal_length\n1,2,3,4\n", ScoreOptions()
        )


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


async def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"not a pickle")
    with pytest.raises(ModelError, match=r"model\.pkl cannot be loaded"):
        async with open_pool(plan(path), 2):
            pytest.fail("the pool opened")


async def test_a_process_killed_while_it_loads_the_model_ends_the_start() -> None:
    with pytest.raises(ComputeLost, match="loaded the model"):
        async with open_pool(plan(factory=f"{__name__}:killed_while_loading"), 1):
            pytest.fail("the pool opened")


async def test_a_killed_process_fails_its_own_job_alone_and_the_next_runs_on_a_new_one(
    pool: Pool,
) -> None:
    async with listening() as line:
        neighbour = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        dying = await tell(pool, "pid")
        with pytest.raises(ComputeLost):
            await tell(pool, "die")
        assert await tell(pool, "pid") not in {dying, held.pid, os.getpid()}
        held.let_go()
        assert await neighbour == held.pid


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


async def test_signals_meant_for_the_worker_do_not_reach_a_prediction(pool: Pool) -> None:
    async with listening() as line:
        job = asyncio.create_task(tell(pool, f"hold {line.port}"))
        held = await line.caller()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(held.pid, number)
        held.let_go()
        assert await job == held.pid


async def test_the_processes_end_with_the_pool() -> None:
    async with listening() as line:
        async with open_pool(OBEDIENT, 1) as pool:
            await tell(pool, f"call {line.port}")
        await (await line.caller()).gone()


async def test_idle_and_busy_processes_end_when_the_worker_is_killed() -> None:
    code = f"import asyncio, {__name__} as t; asyncio.run(t.keep_one_idle_and_one_busy({{}}))"
    async with listening() as line:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code.format(line.port), cwd=ROOT
        )
        callers = [await line.caller(), await line.caller()]
        worker.kill()
        await worker.wait()
        for caller in callers:
            await caller.gone()


async def test_the_math_libraries_keep_to_the_threads_of_the_plan(pool: Pool) -> None:
    assert await tell(pool, "threads") == {
        "variables": ["1"] * len(THREAD_VARIABLES),
        "pools": {"openblas": 1, "openmp": 1},
    }


async def test_the_event_loops_process_loads_none_of_the_math_libraries() -> None:
    code = f"import sys, worker.__main__, worker.service; print({{*{HEAVY}}} & {{*sys.modules}})"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert stdout == b"set()\n"

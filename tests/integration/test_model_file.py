"""What was hashed is what is loaded: in each pool process, whatever happens to a local model."""

import asyncio
import multiprocessing
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from joblib.numpy_pickle_compat import NDArrayWrapper
from onnx import TensorProto, helper, numpy_helper
from sklearn.dummy import DummyRegressor

from tests.support.fakes.async_streams import AsyncMemoryInput, AsyncMemoryOutput
from worker.errors import ModelError
from worker.interfaces import ScoreOptions
from worker.pool import forkserver
from worker.pool.model_plan import ModelPlan
from worker.pool.pool import Pool, open_pool
from worker.service.model_fetch import fetch_model
from worker.storage.protocol import Storage

OLD, NEW = 1.5, 2.5
FILE = b"id,x\na,1\n"
NO_STORAGE = cast("Storage", None)  # for local models
FACTORY = """
import pandas as pd


class Constant:
    def __init__(self, path):
        self.text = path.read_text() + (path.parent / "beside.txt").read_text()

    def predict(self, frame):
        return pd.DataFrame({"prediction": [self.text] * len(frame)})
"""


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    """Import the libraries once, not once a process."""
    forkserver.start(1)


@asynccontextmanager
async def running(path: Path, factory: str | None = None) -> AsyncIterator[Pool]:
    """Run a pool of one process on a local model, as the worker does."""
    async with fetch_model(str(path), None, NO_STORAGE) as model:
        plan = ModelPlan(model.path, model.original, str(path), "auto", factory, "json", "error")
        async with open_pool(plan.load, 1) as pool:
            yield pool


async def predicted(pool: Pool) -> str:
    collected = AsyncMemoryOutput()
    await pool.score(AsyncMemoryInput(FILE), ScoreOptions(), collected)
    return collected.output.decode().split(",")[-1].strip()


async def predicted_by_a_new_process(pool: Pool) -> str:
    for process in multiprocessing.active_children():
        process.kill()
    return await predicted(pool)


def save(value: float, path: Path) -> None:
    path.write_bytes(
        pickle.dumps(DummyRegressor(strategy="constant", constant=value).fit([[1]], [1]))
    )


def overwrite(path: Path) -> None:
    save(NEW, path)


def replace(path: Path) -> None:
    save(NEW, path.with_name("new"))
    path.with_name("new").replace(path)


@pytest.mark.parametrize("change", [overwrite, replace, Path.unlink])
async def test_a_process_that_starts_later_loads_the_model_that_was_hashed(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "model.pkl"
    save(OLD, path)
    async with running(path) as pool:
        assert await predicted(pool) == str(OLD)
        change(path)
        assert await predicted_by_a_new_process(pool) == str(OLD)


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A factory that reads the model and a file beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "constant.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path / "code")  # pool processes get the path of their parent
    return "constant:Constant"


async def test_a_factory_may_read_files_beside_a_local_model(tmp_path: Path, factory: str) -> None:
    path = tmp_path / "model.txt"
    path.write_text("old")
    path.with_name("beside.txt").write_text(" vocabulary")
    async with running(path, factory) as pool:
        assert await predicted(pool) == "old vocabulary"
        assert await predicted_by_a_new_process(pool) == "old vocabulary"


async def test_a_factory_gets_the_copy_of_a_model_that_was_replaced(
    tmp_path: Path, factory: str
) -> None:
    path = tmp_path / "model.txt"
    path.write_text("old")
    path.with_name("beside.txt").write_text("")
    async with running(path, factory) as pool:
        path.write_text("new")
        with pytest.raises(ModelError, match=r"beside\.txt.*a copy of that one file"):
            await predicted_by_a_new_process(pool)


async def test_a_factory_that_needs_no_other_file_loads_what_was_hashed(
    tmp_path: Path, factory: str
) -> None:
    code = tmp_path / "code" / "constant.py"
    code.write_text(FACTORY.replace(' + (path.parent / "beside.txt").read_text()', ""))
    path = tmp_path / "model.txt"
    path.write_text("old")
    async with running(path, factory) as pool:
        path.write_text("new")
        assert await predicted_by_a_new_process(pool) == "old"


def with_arrays_beside(folder: Path) -> Path:
    """Save a pickle as joblib before 0.10 wrote it: the array is in a file of its own."""
    np.save(folder / "model.pkl_01.npy", np.zeros(3))
    wrapper = NDArrayWrapper("model.pkl_01.npy", np.ndarray)
    (folder / "model.pkl").write_bytes(pickle.dumps({"weights": wrapper}))
    return folder / "model.pkl"


def with_weights_beside(folder: Path) -> Path:
    """Save an ONNX graph whose weights are in a file of their own."""
    weights = numpy_helper.from_array(np.ones((1, 1), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 1]) for n in "xy"]
    graph = helper.make_graph([node], "graph", values[:1], values[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    more: dict[str, Any] = {"location": "weights.bin", "size_threshold": 0}
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, **more)
    return folder / "model.onnx"


@pytest.mark.parametrize(
    ("saved", "beside"),
    [(with_arrays_beside, "model.pkl_01.npy"), (with_weights_beside, "weights.bin")],
)
async def test_a_model_that_needs_a_file_beside_it_ends_the_start_and_says_so(
    tmp_path: Path, saved: Callable[[Path], Path], beside: str
) -> None:
    path = saved(tmp_path)
    assert (tmp_path / beside).exists()
    with pytest.raises(ModelError) as refusal:
        async with running(path):
            pytest.fail("the pool opened")
    assert str(path) in str(refusal.value)
    assert beside in str(refusal.value)
    assert "without the files beside it" in str(refusal.value)


async def test_an_error_of_loading_names_the_model_as_the_user_does(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_text('{"a": 1}')
    with pytest.raises(ModelError) as refusal:
        async with running(path):
            pytest.fail("the pool opened")
    assert str(refusal.value) == f"{path} is no model: it is JSON"


async def test_the_copy_is_removed_with_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    save(OLD, path)
    async with fetch_model(str(path), None, NO_STORAGE) as model:
        assert await asyncio.to_thread(model.path.exists)
    assert not model.path.parent.exists()

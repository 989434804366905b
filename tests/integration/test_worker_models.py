"""Every way for a model to come in, through a worker process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from examples.rfm.fit import write
from tests.support.scenario import Endpoint, iris

EXAMPLE = Path(__file__).parents[2] / "examples" / "rfm"
FLOWERS = iris()
MEASURES = FLOWERS.iloc[:, 1:]
LARGE = MEASURES.iloc[:, 0] > MEASURES.iloc[:, 0].median()
LINE = LogisticRegression(max_iter=1000).fit(MEASURES, LARGE)


def with_skops(folder: Path) -> Path:
    skops.io.dump(LINE, folder / "model.skops")
    return folder / "model.skops"


def with_onnx(folder: Path) -> Path:
    onnx.save(to_onnx(LINE, MEASURES.to_numpy(np.float32)[:1]), folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("saved", [with_skops, with_onnx])
async def test_a_model_that_is_no_pickle_predicts_a_file(
    endpoint: Endpoint, tmp_path: Path, saved: Callable[[Path], Path]
) -> None:
    endpoint.submit("iris.csv", FLOWERS.to_csv(index=False).encode())
    ended = await endpoint.worker(WORKER_MODEL=str(saved(tmp_path)))
    assert ended.status == 0, ended.stderr
    header, *rows = endpoint.get("p/iris.csv").decode().splitlines()
    assert header == "id,activation"
    activations = [float(row.split(",")[1]) for row in rows]
    assert np.allclose(activations, LINE.predict_proba(MEASURES)[:, 1], atol=1e-5)


async def test_a_model_of_untrusted_types_ends_the_start_with_their_names(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    skops.io.dump(DecisionTreeClassifier().fit(MEASURES, LARGE), tmp_path / "model.skops")
    ended = await endpoint.worker(WORKER_MODEL=str(tmp_path / "model.skops"))
    assert ended.status == 1
    (line,) = ended.said("worker failed")
    assert "sklearn.tree._tree.Tree" in str(line["error"])


async def test_the_example_of_a_predictor_scores_its_customers(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    write(tmp_path)
    endpoint.submit("customers.csv", (tmp_path / "customers.csv").read_bytes())
    ended = await endpoint.worker(
        PYTHONPATH=str(EXAMPLE),
        WORKER_PREDICTOR="rfm:RfmPredictor",
        WORKER_MODEL=str(tmp_path / "model.json"),
    )
    assert ended.status == 0, ended.stderr
    (tmp_path / "out.csv").write_bytes(endpoint.get("p/customers.csv"))
    segments = pd.read_csv(tmp_path / "out.csv")["segment"]
    assert len(segments) == 500
    assert {"champion", "lost"} < set(segments)

"""Real data in every format through a real worker, small and larger than a part: as in memory."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from tests.support.scenario import Endpoint
from tests.support.tables import csv, json_lines, parquet
from worker.jobs.limits import PART_BYTES

DATA = load_breast_cancer(as_frame=True)
COPIES = 150  # of the table: more than a part of it, in and out


def table(copies: int = 1) -> pd.DataFrame:
    """The data with gaps in it, and an id that is no number."""
    frame: pd.DataFrame = pd.concat([DATA.data] * copies, ignore_index=True)
    frame = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.05)
    frame.insert(0, "id", [f"{number:07}" for number in range(len(frame))])
    return frame


def awkward_csv(frame: pd.DataFrame) -> bytes:
    return b"\xef\xbb\xbf" + frame.to_csv(index=False, sep=";", lineterminator="\r\n").encode()


Read = Callable[[bytes], pd.DataFrame]
FILES: dict[str, tuple[Callable[[pd.DataFrame], bytes], Read]] = {
    "a.csv": (csv, lambda body: pd.read_csv(io.BytesIO(body), dtype={"id": str})),
    "a.csv.gz": (
        lambda frame: gzip.compress(csv(frame)),
        lambda body: pd.read_csv(io.BytesIO(gzip.decompress(body)), dtype={"id": str}),
    ),
    "semicolons.csv": (
        awkward_csv,
        lambda body: pd.read_csv(io.BytesIO(body), sep=";", dtype={"id": str}),
    ),
    "a.jsonl": (
        json_lines,
        lambda body: pd.read_json(io.BytesIO(body), lines=True, dtype={"id": str}),
    ),
    "a.parquet": (parquet, lambda body: pd.read_parquet(io.BytesIO(body))),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    joblib.dump(HistGradientBoostingClassifier(max_iter=20).fit(DATA.data, DATA.target), path)
    return path


async def test_predictions_of_real_data_are_those_in_memory_in_every_format(
    endpoint: Endpoint, model: Path
) -> None:
    frame = table()
    for key, (write, _) in FILES.items():
        endpoint.submit(key, write(frame))
    ended = await endpoint.worker(WORKER_MODEL=str(model))
    assert ended.status == 0, ended.stderr
    expected = joblib.load(model).predict_proba(frame.iloc[:, 1:])[:, 1]
    for key, (_, read) in FILES.items():
        answer = read(endpoint.get(f"p/{key}"))
        assert list(answer["id"]) == list(frame["id"]), key
        np.testing.assert_allclose(answer["activation"], expected, rtol=1e-12, err_msg=key)


async def test_a_file_larger_than_a_part_comes_by_ranges_and_leaves_in_parts_verbatim(
    endpoint: Endpoint, model: Path
) -> None:
    frame = table(COPIES)
    body = csv(frame)
    assert len(body) > 2 * PART_BYTES
    endpoint.submit("large.csv", body)
    plain = io.BytesIO()  # with dictionaries the copies would take no bytes
    frame.to_parquet(plain, index=False, row_group_size=20_000, use_dictionary=False)
    endpoint.submit("large.parquet", plain.getvalue())
    endpoint.submit("large.csv.gz", gzip.compress(body))
    endpoint.submit("large.csv.zst", pa.compress(body, codec="zstd", asbytes=True))
    ended = await endpoint.worker(
        WORKER_MODEL=str(model), WORKER_KEEP_COLUMNS="*", WORKER_PREDICT_PROCESSES="2"
    )
    assert ended.status == 0, ended.stderr
    expected = joblib.load(model).predict_proba(frame.iloc[:, 1:])[:, 1]
    output = endpoint.get("p/large.csv")
    kept = [line.rpartition(b",")[0] for line in output.splitlines()]
    assert kept == body.splitlines()
    etag = endpoint.s3.head_object(Bucket=endpoint.output, Key="p/large.csv")["ETag"]
    assert "-" in etag  # of a multipart upload
    # The parts of a compressed file are those of the plain one.
    assert gzip.decompress(endpoint.get("p/large.csv.gz")) == output
    with pa.input_stream(pa.BufferReader(endpoint.get("p/large.csv.zst")), "zstd") as frames:
        assert frames.read() == output
    cut = [str(line["output"]) for line in ended.said("job done") if "parts" in line]
    assert {output.rpartition(".")[2] for output in cut} >= {"csv", "gz", "zst"}
    for key, read in (("large.csv", FILES["a.csv"][1]), ("large.parquet", FILES["a.parquet"][1])):
        answer = read(endpoint.get(f"p/{key}"))
        np.testing.assert_allclose(answer["activation"], expected, rtol=1e-12, err_msg=key)
    # The last answer is that of Parquet. A part has two row groups, and the last part one.
    pd.testing.assert_frame_equal(answer.drop(columns="activation"), frame)
    parts = {str(done["output"]): done["parts"] for done in ended.said("job done")}
    assert parts[f"s3://{endpoint.output}/p/large.parquet"] == 3

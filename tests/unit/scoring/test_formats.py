"""A file's predictions are the same in every format."""

import gzip
import io
import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.strategies import examples, sizes
from tests.support.whole_file import ScoredFile, score
from worker.errors import TooManyRejected
from worker.interfaces import Format, ScoreOptions
from worker.models import SklearnPredictor

FEATURES = ["colour", "size", "new"]
DRAW = np.random.default_rng(5)
TRAINING = pd.DataFrame(
    {
        "colour": DRAW.choice(["red", "blue", "007"], 300),
        "size": DRAW.normal(size=300),
        "new": DRAW.random(300) < 0.5,
    }
)
ENCODED = make_column_transformer(
    (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["colour"]),
    remainder="passthrough",
)
MODEL = SklearnPredictor(
    make_pipeline(ENCODED, HistGradientBoostingRegressor(max_iter=5, random_state=0)).fit(
        TRAINING, TRAINING["size"] * 2 + TRAINING["new"]
    )
)

LINE = SklearnPredictor(LinearRegression().fit(TRAINING[["size"]], TRAINING["size"] * 2))


def rows(seed: int, count: int) -> pd.DataFrame:
    chance = random.Random(seed)  # noqa: S311 - examples, not secrets
    table = pd.DataFrame(
        {
            "colour": [chance.choice(["red", "blue", "007", "green"]) for _ in range(count)],
            "size": [chance.gauss() for _ in range(count)],
            "new": [chance.random() < 0.5 for _ in range(count)],
        }
    )
    table.insert(0, "id", [f"{row:05d}" for row in range(count)])
    return table


def as_file(table: pd.DataFrame, file_format: Format) -> bytes:
    if file_format == "csv":
        return table.to_csv(index=False).encode()
    if file_format == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in table.to_dict("records")).encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, row_group_size=70, index=False)
    return buffer.getvalue()


def as_table(scored: ScoredFile, file_format: Format) -> list[dict[str, object]]:
    if file_format == "csv":
        table = pd.read_csv(io.BytesIO(scored.output), dtype={"id": str})
    elif file_format == "jsonl":
        return [json.loads(line) for line in scored.output.splitlines()]
    else:
        table = pd.read_parquet(io.BytesIO(scored.output))
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


@pytest.mark.parametrize("comes", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("leaves", ["csv", "jsonl", "parquet"])
def test_every_format_can_come_and_leave(comes: Format, leaves: Format) -> None:
    table = rows(1, 200)
    scored = score(as_file(table, comes), MODEL, ScoreOptions(output_format=leaves))
    assert (scored.rows, scored.rejected) == (200, 0)
    assert scored.converted_to == (None if comes == leaves else leaves)
    wanted = MODEL.predict(table[FEATURES])["prediction"]
    assert as_table(scored, leaves) == [
        {"id": key, "prediction": value} for key, value in zip(table["id"], wanted, strict=True)
    ]


# How many bytes of a file come first (None: all of them), and how many in each piece of the rest.
CUTS = st.tuples(st.sampled_from([4, 100, None]) | st.integers(4, 50_000), sizes(1, 5000))


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@examples(0.05)
@given(
    seed=st.integers(0, 2**32),
    output_format=st.sampled_from([None, "csv", "parquet"]),
    cuts=st.tuples(CUTS, CUTS, CUTS, CUTS),
)
def test_the_output_is_the_same_however_the_file_comes(
    file_format: Format,
    seed: int,
    output_format: Format | None,
    cuts: tuple[tuple[int | None, list[int]], ...],
) -> None:
    body = as_file(rows(seed, 400), file_format)
    options = ScoreOptions(output_format=output_format)
    outputs = {
        score(body, MODEL, options, first=first, pieces=pieces).output for first, pieces in cuts
    }
    assert len(outputs) == 1


def test_json_lines_leave_in_the_compression_they_came_in() -> None:
    body = as_file(rows(2, 100), "jsonl")
    scored = score(gzip.compress(body), MODEL, ScoreOptions())
    assert gzip.decompress(scored.output) == score(body, MODEL, ScoreOptions()).output
    assert scored.content_type == "application/gzip"


def test_malformed_and_bad_lines_are_rejected_with_their_numbers() -> None:
    good = as_file(rows(3, 2), "jsonl")
    body = good + b'\n?\n{"id": 7, "colour": "red", "size": "big", "new": true}\n' + good
    scored = score(body, LINE, ScoreOptions(max_rejected=0.5))
    assert (scored.rows, scored.rejected) == (4, 2)
    assert scored.rejects is not None
    rejects = pd.read_csv(io.BytesIO(scored.rejects))
    assert rejects["line"].tolist() == [4, 5]
    assert rejects["reason"].tolist() == [
        "not JSON: Expecting value at column 1",
        "column 'size' is \"big\", not a number",
    ]
    with pytest.raises(TooManyRejected, match=r"2 of 6 rows are bad.*line 4: not.*line 5: col"):
        score(body, LINE, ScoreOptions())


def test_a_late_key_is_ignored_unless_everything_is_kept() -> None:
    early = as_file(rows(4, 10_000), "jsonl")
    late = b'{"id": 1, "colour": "red", "size": 1, "new": true, "note": "x"}\n'
    assert score(early + late, MODEL, ScoreOptions()).rows == 10_001
    with pytest.raises(TooManyRejected, match="line 10001: the key 'note'"):
        score(early + late, MODEL, ScoreOptions(keep_columns=("*",)))


def test_nested_and_typed_columns_can_be_kept() -> None:
    table = pa.Table.from_pandas(rows(5, 3)).append_column("tags", pa.array([["a"], [], None]))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    options = ScoreOptions(keep_columns=("tags", "new"), output_format="jsonl")
    written = [
        json.loads(line) for line in score(buffer.getvalue(), MODEL, options).output.splitlines()
    ]
    assert [row["tags"] for row in written] == [["a"], [], None]

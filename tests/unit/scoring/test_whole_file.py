"""Random files: the predictions are those of pandas' reader and one call of the model."""

import csv
import gzip
import io
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from tests.support.whole_file import score
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring.score import BATCH_ROWS

FEATURES = ["a", "b", "c d", "e,f"]
TRAINING = np.random.default_rng(1).random((200, 4))
FRAME = pd.DataFrame(TRAINING, columns=FEATURES)
CLASSES = np.array(["low", "mid", "top"])[(TRAINING.sum(axis=1)).astype(int) % 3]
MODELS = {
    "logistic": LogisticRegression().fit(FRAME, CLASSES),
    "boosted": HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(FRAME, CLASSES),
    "forest": RandomForestRegressor(7, random_state=0).fit(FRAME, TRAINING[:, 0]),
}


def number(chance: random.Random, *, missing: bool) -> str:
    value = chance.uniform(-3, 3)
    choices = [repr(value), f"{value:.3f}", f"{value:e}", str(int(value)), f"+{abs(value):.2f}"]
    return chance.choice([*choices, "", "NA", "nan"] if missing else choices)


def written(chance: random.Random, rows: int, *, missing: bool) -> tuple[bytes, str]:
    """Return a random CSV, and its delimiter."""
    delimiter = chance.choice([",", ";", "\t", "|"])
    end = chance.choice(["\n", "\r\n"])
    header = ["key", *FEATURES, "note"]
    order = header[:1] + chance.sample(header[1:], len(header) - 1)
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=end,
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    writer.writerow(order)
    for row in range(rows):
        cells = {name: number(chance, missing=missing) for name in FEATURES}
        cells["key"] = chance.choice([f"{row:05d}", f'k"{row}', f"{row}\n{delimiter}", "é " * 3])
        cells["note"] = chance.choice(["", "NA", f"x{delimiter}y", "1e5", "two\r\nlines"])
        writer.writerow([cells[name] for name in order])
        if chance.random() < 0.1:
            text.write(end)
    return text.getvalue().encode(), delimiter


def cut(chance: random.Random) -> tuple[int, list[int]]:
    """Return how many bytes of a file come first, and the sizes of the later pieces."""
    return chance.randint(4, 200), [chance.randint(1, 300) for _ in range(7)]


def messy(chance: random.Random, rows: int) -> tuple[bytes, list[list[str]]]:
    """Return a CSV of several blocks and batches with bad rows in it, and its good rows."""
    text, good = io.StringIO(newline=""), []
    writer = csv.writer(text, lineterminator=chance.choice(["\n", "\r\n", "\r"]))
    writer.writerow(["key", *FEATURES, "note"])
    for row in range(rows):
        key = chance.choice([f"{row:09d}", f"k,{row}", f'"{row}"', f"{row}\n\n", "", "é\ufeff"])
        cells = [key, *(repr(chance.uniform(-3, 3)) for _ in FEATURES), "NA " * (row % 40)]
        fate = chance.random()
        if fate < 0.01:
            cells.pop()
        elif fate < 0.02 and row >= BATCH_ROWS:
            cells[3] = "x1"
        else:
            good.append(cells)
        writer.writerow(cells)
        if fate > 0.99:
            text.write("\r\n")
    return text.getvalue().encode(), good


def expected(model: str, table: pd.DataFrame) -> pd.DataFrame:
    fitted, features = MODELS[model], table[FEATURES].astype(float)
    answer = pd.DataFrame({"prediction": fitted.predict(features)})
    if hasattr(fitted, "predict_proba"):
        names = [f"activation_{name}" for name in fitted.classes_]
        answer[names] = fitted.predict_proba(features)
    return answer


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(30))
def test_any_csv_is_predicted_as_pandas_reads_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - examples, not secrets
    model = chance.choice(list(MODELS))
    body, delimiter = written(chance, chance.randint(1, 80), missing=model != "logistic")
    table = pd.read_csv(io.BytesIO(body), sep=delimiter)
    keys = pd.read_csv(io.BytesIO(body), sep=delimiter, dtype=str, keep_default_na=False)["key"]
    outputs = []
    for packed, unpack in (
        (body, bytes),
        (gzip.compress(body), gzip.decompress),
        (
            pa.compress(body, codec="zstd", asbytes=True),
            lambda zstd: pa.CompressedInputStream(pa.BufferReader(zstd), "zstd").read(),
        ),
    ):
        first, pieces = cut(chance)
        predictor = SklearnPredictor(MODELS[model])
        scored = score(packed, predictor, ScoreOptions(), first=first, pieces=pieces)
        assert (scored.rows, scored.rejected) == (len(table), 0)
        outputs.append(unpack(scored.output))
    assert len(set(outputs)) == 1
    rows = list(csv.reader(io.StringIO(outputs[0].decode(), newline=""), delimiter=delimiter))
    assert [row[0] for row in rows[1:]] == keys.tolist()
    found = pd.read_csv(io.BytesIO(outputs[0]), sep=delimiter)
    assert_same(found.iloc[:, 1:], expected(model, table))


@pytest.mark.parametrize("seed", range(4))
def test_a_file_in_any_pieces_and_packing_gives_the_same_bytes(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - examples, not secrets
    body, good = messy(chance, 3 * BATCH_ROWS)
    options = ScoreOptions(keep_columns=("*",), max_rejected=0.1)
    predictor = SklearnPredictor(MODELS["logistic"])
    whole = score(body, predictor, options)
    assert (whole.rows, whole.rejected) == (len(good), 3 * BATCH_ROWS - len(good))
    kept = csv.reader(io.StringIO(whole.output.decode(), newline=""))
    assert [row[: len(FEATURES) + 2] for row in kept][1:] == good
    for packed, unpack in ((body, bytes), (gzip.compress(body), gzip.decompress)):
        once = score(packed, predictor, options)
        first, pieces = chance.randint(4, 2**20), [chance.randint(1, 2**18) for _ in range(9)]
        assert score(packed, predictor, options, first=first, pieces=pieces) == once
        assert (unpack(once.output), once.rejects) == (whole.output, whole.rejects)


@pytest.mark.parametrize("seed", range(15))
def test_any_parquet_is_predicted_as_pandas_reads_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - examples, not secrets
    model = chance.choice(list(MODELS))
    rows = chance.randint(1, 80)
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(draw.normal(size=(rows, 4)), columns=FEATURES)
    table["a"] = (table["a"] * 3).to_numpy().astype(chance.choice(["int8", "int64", "float64"]))
    if model != "logistic":
        table.loc[draw.random(rows) < 0.2, "b"] = np.nan
    table.insert(0, "key", [chance.choice([None, "007", "é"]) for _ in range(rows)])
    buffer = io.BytesIO()
    table.to_parquet(buffer, row_group_size=chance.randint(1, 50), index=False)
    scored = score(buffer.getvalue(), SklearnPredictor(MODELS[model]), ScoreOptions())
    found = pd.read_parquet(io.BytesIO(scored.output))
    assert found["key"].equals(table["key"])
    assert_same(found.iloc[:, 1:], expected(model, table))


def test_a_file_of_many_batches_is_predicted_as_in_one_call() -> None:
    draw = np.random.default_rng(3)
    table = pd.DataFrame(draw.normal(size=(2 * BATCH_ROWS + 123, 4)), columns=FEATURES)
    table.insert(0, "key", range(len(table)))
    body = table.to_csv(index=False).encode()
    scored = score(body, SklearnPredictor(MODELS["logistic"]), ScoreOptions())
    found = pd.read_csv(io.BytesIO(scored.output))
    assert found["key"].equals(table["key"])
    assert_same(found.iloc[:, 1:], expected("logistic", table))

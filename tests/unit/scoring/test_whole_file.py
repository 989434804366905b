"""Random files: the predictions are those of pandas' reader and one call of the model."""

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from tests.support.strategies import evenly_long, examples, sizes, slow_examples
from tests.support.tables import parquet
from tests.support.whole_file import score
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring.batches import BATCH_ROWS

FEATURES = ["a", "b", "c d", "e,f"]
TRAINING = np.random.default_rng(1).random((200, 4))
FRAME = pd.DataFrame(TRAINING, columns=FEATURES)
CLASSES = np.array(["low", "mid", "top"])[(TRAINING.sum(axis=1)).astype(int) % 3]
MODELS = {
    "logistic": LogisticRegression().fit(FRAME, CLASSES),
    "boosted": HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(FRAME, CLASSES),
    "forest": RandomForestRegressor(7, random_state=0).fit(FRAME, TRAINING[:, 0]),
}


NUMBERS = st.floats(-3, 3)


def numbers(*, missing: bool) -> st.SearchStrategy[str]:
    """A number as somebody might write it, or perhaps nothing."""
    forms = st.sampled_from([repr, "{:.3f}".format, "{:e}".format, _whole, _signed])
    written = st.builds(lambda form, value: form(value), forms, NUMBERS)
    return written | st.sampled_from(["", "NA", "nan"]) if missing else written


def _whole(value: float) -> str:
    return str(int(value))


def _signed(value: float) -> str:
    return f"+{abs(value):.2f}"


@dataclass(frozen=True)
class File:
    """A CSV as somebody might write it, its delimiter and the model that shall predict it."""

    body: bytes
    delimiter: str
    model: str


@st.composite
def files(draw: st.DrawFn) -> File:
    model = draw(st.sampled_from(list(MODELS)))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    order = ["key", *draw(st.permutations([*FEATURES, "note"]))]
    quoting: Literal[0, 1] = csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL
    keys = st.sampled_from(["{:05d}", 'k"{}"', f"{{}}\n{delimiter}", "é " * 3])
    notes = st.sampled_from(["", "NA", f"x{delimiter}y", "1e5", "two\r\nlines"])
    cells = dict.fromkeys(FEATURES, numbers(missing=model != "logistic"))
    rows = st.tuples(st.fixed_dictionaries(cells | {"key": keys, "note": notes}), BLANK_AFTER)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(order)
    for number, (row, is_blank_line_after) in enumerate(draw(evenly_long(rows, 1, 80))):
        row["key"] = row["key"].format(number)
        writer.writerow([row[name] for name in order])
        text.write(end if is_blank_line_after else "")
    return File(text.getvalue().encode(), delimiter, model)


BLANK_AFTER = st.integers(0, 9).map(lambda number: number == 9)
# How many bytes of a file come first, and how many in each piece of the rest.
CUTS = st.tuples(st.integers(4, 200), sizes(1, 300))
# The last of the pieces is large, as megabytes in pieces of one byte take too long.
LARGE_CUTS = st.tuples(
    st.integers(4, 2**20),
    st.builds(lambda some, last: [*some, last], sizes(1, 2**18), st.integers(2**12, 2**18)),
)


KEYS = ["{:09d}", "k,{}", '"{}"', "{}\n\n", "", "é\ufeff"]
MANY_ROWS = 3 * BATCH_ROWS


def rows_among(first: int, end: int) -> st.SearchStrategy[set[int]]:
    """Up to 400 of these rows: two such sets are less than a tenth of all rows."""
    return evenly_long(st.integers(first, end - 1), 0, 400).map(set)


@dataclass(frozen=True)
class Mess:
    """A CSV of several blocks and batches with bad rows in it; keys and numbers take turns."""

    keys: list[str]
    numbers: list[float]
    end: str
    short: set[int]
    wrong: set[int]
    blank_after: set[int]

    def written(self) -> tuple[bytes, list[list[str]]]:
        """Return the file, and its good rows."""
        text, good = io.StringIO(newline=""), []
        writer = csv.writer(text, lineterminator=self.end)
        writer.writerow(["key", *FEATURES, "note"])
        keys, values = cycle(self.keys), cycle(map(repr, self.numbers))
        for row in range(MANY_ROWS):
            # Python before 3.13 quotes no line end but that of the file.
            key = next(keys).format(row).replace("\n", self.end[-1])
            cells = [key, *islice(values, len(FEATURES)), "NA " * (row % 40)]
            if row in self.short:
                cells.pop()
            elif row in self.wrong:
                cells[3] = "x1"
            else:
                good.append(cells)
            writer.writerow(cells)
            text.write("\r\n" if row in self.blank_after else "")
        return text.getvalue().encode(), good


MESSES = st.builds(
    Mess,
    keys=st.lists(st.sampled_from(KEYS), min_size=1),
    numbers=st.lists(NUMBERS, min_size=1),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    short=rows_among(0, MANY_ROWS),
    wrong=rows_among(BATCH_ROWS, MANY_ROWS),
    blank_after=rows_among(0, MANY_ROWS),
)


def expected(model: str, table: pd.DataFrame) -> pd.DataFrame:
    fitted, features = MODELS[model], table[FEATURES].astype(float)
    answer = pd.DataFrame({"prediction": fitted.predict(features)})
    if hasattr(fitted, "predict_proba"):
        names = [f"activation_{name}" for name in fitted.classes_]
        answer[names] = fitted.predict_proba(features)
    return answer


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-12, atol=0)


@examples(0.15)
@given(files(), st.tuples(CUTS, CUTS, CUTS))
def test_any_csv_is_predicted_as_pandas_reads_it(
    file: File, cuts: tuple[tuple[int, list[int]], ...]
) -> None:
    body, delimiter = file.body, file.delimiter
    table = pd.read_csv(io.BytesIO(body), sep=delimiter)
    keys = pd.read_csv(io.BytesIO(body), sep=delimiter, dtype=str, keep_default_na=False)["key"]
    packings: list[tuple[bytes, Callable[[bytes], bytes]]] = [
        (body, bytes),
        (gzip.compress(body), gzip.decompress),
        (
            pa.compress(body, codec="zstd", asbytes=True),
            lambda zstd: pa.CompressedInputStream(pa.BufferReader(zstd), "zstd").read(),
        ),
    ]
    outputs = []
    for (packed, unpack), (first, pieces) in zip(packings, cuts, strict=True):
        predictor = SklearnPredictor(MODELS[file.model])
        scored = score(packed, predictor, ScoreOptions(), first=first, pieces=pieces)
        assert (scored.rows, scored.rejected) == (len(table), 0)
        outputs.append(unpack(scored.output))
    assert len(set(outputs)) == 1
    rows = list(csv.reader(io.StringIO(outputs[0].decode(), newline=""), delimiter=delimiter))
    assert [row[0] for row in rows[1:]] == keys.tolist()
    found = pd.read_csv(io.BytesIO(outputs[0]), sep=delimiter)
    assert_same(found.iloc[:, 1:], expected(file.model, table))


@slow_examples(0.04)
@given(MESSES, st.tuples(LARGE_CUTS, LARGE_CUTS))
def test_a_file_in_any_pieces_and_packing_gives_the_same_bytes(
    mess: Mess, cuts: tuple[tuple[int, list[int]], ...]
) -> None:
    body, good = mess.written()
    options = ScoreOptions(keep_columns=("*",), max_rejected=0.1)
    predictor = SklearnPredictor(MODELS["logistic"])
    whole = score(body, predictor, options)
    assert (whole.rows, whole.rejected) == (len(good), MANY_ROWS - len(good))
    kept = csv.reader(io.StringIO(whole.output.decode(), newline=""))
    assert [row[: len(FEATURES) + 2] for row in kept][1:] == good
    packings: list[tuple[bytes, Callable[[bytes], bytes]]] = [
        (body, bytes),
        (gzip.compress(body), gzip.decompress),
    ]
    for (packed, unpack), (first, pieces) in zip(packings, cuts, strict=True):
        once = score(packed, predictor, options)
        assert score(packed, predictor, options, first=first, pieces=pieces) == once
        assert (unpack(once.output), once.rejects) == (whole.output, whole.rejects)


@st.composite
def tables(draw: st.DrawFn, *, missing: bool) -> pd.DataFrame:
    """Tables whose column `a` has one of several types."""
    kind = draw(st.sampled_from(["int8", "int64", "float64"]))
    first = st.integers(-128, 127) if kind != "float64" else st.floats(-1e6, 1e6)
    others = st.floats(-1e6, 1e6)
    second = others | st.just(float("nan")) if missing else others
    keys = st.sampled_from([None, "007", "é"])
    rows = draw(evenly_long(st.tuples(keys, first, second, others, others), 1, 80))
    return pd.DataFrame(rows, columns=["key", *FEATURES]).astype({"a": kind})


@examples(0.15)
@given(st.data(), st.sampled_from(list(MODELS)), st.integers(1, 50))
def test_any_parquet_is_predicted_as_pandas_reads_it(
    data: st.DataObject, model: str, row_group_rows: int
) -> None:
    table = data.draw(tables(missing=model != "logistic"))
    scored = score(parquet(table, row_group_rows), SklearnPredictor(MODELS[model]), ScoreOptions())
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

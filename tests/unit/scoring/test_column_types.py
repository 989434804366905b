"""A model gets the types of its training, in each format, wherever one odd cell stands."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from operator import methodcaller
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.base import RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder
from sklearn.tree import DecisionTreeRegressor

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.whole_file import ScoredFile, score
from worker.columns import ColumnSpec
from worker.errors import ModelRaised, NeedsTypes
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring
from worker.scoring.batches import BATCH_ROWS

LENIENT = ScoreOptions(max_rejected=0.9)


def as_csv(cells: Sequence[object]) -> bytes:
    return "".join(["id,c\n", *(f"{row},{cell}\n" for row, cell in enumerate(cells))]).encode()


def as_json_lines(cells: Sequence[object]) -> bytes:
    return "".join(
        f'{{"id": {row}, "c": {json.dumps(cell)}}}\n' for row, cell in enumerate(cells)
    ).encode()


def as_parquet(cells: Sequence[object]) -> bytes:
    """Write a column of the cells' type; of text, if one of them is text."""
    if any(isinstance(cell, str) for cell in cells):
        cells = [str(cell) for cell in cells]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"id": range(len(cells)), "c": cells}), buffer)
    return buffer.getvalue()


FORMATS = {"csv": as_csv, "json lines": as_json_lines, "parquet": as_parquet}


@dataclass(frozen=True)
class Codes:
    """Codes of one type that training saw, and a cell that is no such code."""

    seen: list[Any]
    spec: ColumnSpec
    odd: str


CODES = {
    "int": Codes([1, 2, 10], ColumnSpec("int", categories=(1, 2, 10)), "?"),
    "float": Codes([0.5, 1.0, 2.25], ColumnSpec("float", categories=(0.5, 1.0, 2.25)), "?"),
    "bool": Codes([True, False], ColumnSpec("bool", categories=(True, False)), "t"),
    "text": Codes(["1", "01", "10"], ColumnSpec("text", categories=("1", "01", "10")), "?"),
}
tree = partial(DecisionTreeRegressor, random_state=0)
ENCODERS: dict[str, Callable[[], RegressorMixin]] = {
    "one hot": lambda: make_pipeline(OneHotEncoder(handle_unknown="ignore"), tree()),
    "ordinal": lambda: make_pipeline(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), tree()
    ),
    "target": lambda: make_pipeline(TargetEncoder(target_type="continuous"), tree()),
    "boosting": lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1),
}
# Row 10,001 is the first one of the second batch.
PLACES = {"clean": None, "first": 0, "in the middle": 3, "in row 10,001": BATCH_ROWS}


@cache
def fitted(encoder: str, kind: str) -> SklearnPredictor:
    """Fit a model that tells all codes apart, and say of its column what it saw."""
    codes = CODES[kind]
    rows = codes.seen * 20
    frame = pd.DataFrame({"c": rows})
    spec = codes.spec
    if encoder == "boosting":
        frame["c"] = pd.Categorical(rows, codes.seen)
        spec = ColumnSpec(spec.type, spec.missing, spec.categories, as_categorical=True)
    target = [float(codes.seen.index(value)) for value in rows]
    predictor = SklearnPredictor(ENCODERS[encoder]().fit(frame, target))
    if not getattr(predictor, "column_specs", ()):  # the model does not say it by itself
        predictor.column_specs = (spec,)
    return predictor


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("form", FORMATS)
def test_an_odd_cell_is_a_bad_row_and_the_other_rows_are_predicted_with_the_types_of_training(
    form: str, encoder: str, kind: str, place: str
) -> None:
    codes, odd = CODES[kind], PLACES[place]
    predictor = fitted(encoder, kind)
    cells = (codes.seen * (BATCH_ROWS if odd and odd > 9 else 9))[: (odd or 9) + 5]
    frame = pd.DataFrame({"c": cells})
    if odd is not None:
        cells.insert(odd, codes.odd)
        frame = pd.DataFrame({"c": [*cells[:odd], *cells[odd + 1 :]]})
    if encoder == "boosting":
        frame["c"] = pd.Categorical(frame["c"], codes.seen)
    wanted = predictor.model.predict(frame)
    scored = score(FORMATS[form](cells), predictor, LENIENT)
    found = predictions(scored, form)
    if odd is not None and kind == "text" and not scored.rejected:
        # The model knows what to do with text that it never saw.
        found = np.delete(found, odd)
    else:
        assert scored.rejected == (odd is not None)
    np.testing.assert_array_equal(found, wanted)


def predictions(scored: ScoredFile, form: str) -> "np.ndarray[Any, Any]":
    body = io.BytesIO(scored.output)
    if form == "parquet":
        return pd.read_parquet(body)["prediction"].to_numpy()
    table = (
        pd.read_csv(body) if form == "csv" else pd.read_json(body, lines=True, precise_float=True)
    )
    return table["prediction"].to_numpy()


def by_text() -> SklearnPredictor:
    """The model of the issue: its column's codes are text by their digits."""
    codes = pd.DataFrame({"c": [20, 60, 190]})
    text = FunctionTransformer(methodcaller("astype", str))
    encoder = make_pipeline(text, OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("c", encoder, ["c"])], remainder="passthrough")
    model = make_pipeline(columns, DecisionTreeRegressor(random_state=0))
    return SklearnPredictor(model.fit(codes, [1.0, 2.0, 3.0]))


@pytest.mark.parametrize("form", FORMATS)
def test_integers_stay_integers_where_the_model_makes_text_of_them(form: str) -> None:
    scored = score(FORMATS[form]([20, 60, 190]), by_text(), LENIENT)
    assert predictions(scored, form).tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", FORMATS)
def test_codes_beyond_2_to_the_53_stay_two_categories(form: str) -> None:
    codes = [9007199254740992, 9007199254740993]
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), tree())
    predictor = SklearnPredictor(model.fit(pd.DataFrame({"c": codes}), [1.0, 2.0]))
    if not getattr(predictor, "column_specs", ()):
        predictor.column_specs = (ColumnSpec("int", categories=tuple(codes)),)
    for cells in (codes, [*codes, None]):
        written = ["" if form == "csv" and cell is None else cell for cell in cells]
        scored = score(FORMATS[form](written), predictor, LENIENT)
        assert predictions(scored, form)[:2].tolist() == [1, 2]


class Frames:
    """A predictor of one's own, which says nothing of its columns; keeps the frames it gets."""

    def __init__(self, predict: Callable[[pd.DataFrame], object] | None = None) -> None:
        self.frames: list[pd.DataFrame] = []
        self._predict = predict

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        self.frames.append(frame)
        if self._predict is not None:
            self._predict(frame)
        return pd.DataFrame({"n": np.zeros(len(frame))})


MANY = [1] * (BATCH_ROWS + 3)


READ = {
    "csv": lambda body: pd.read_csv(io.BytesIO(body), low_memory=False),
    "json lines": lambda body: pd.read_json(io.BytesIO(body), lines=True),
    "parquet": lambda body: pd.read_parquet(io.BytesIO(body)),
}


@pytest.mark.parametrize("form", ["csv", "json lines"])
def test_a_later_cell_that_would_have_changed_pandas_mind_starts_the_file_again(form: str) -> None:
    body = FORMATS[form]([*MANY, "x"])
    with pytest.raises(NeedsTypes) as needs:
        scoring.score(MemoryInput(body), Frames(), LENIENT, MemoryOutput())
    predictor = Frames()
    types = ScoreOptions(found_types=str(needs.value))
    scoring.score(MemoryInput(body), predictor, types, MemoryOutput())
    found = pd.concat(predictor.frames, ignore_index=True)
    pd.testing.assert_frame_equal(found, READ[form](body)[["c"]])


def test_a_gap_in_a_later_row_of_parquet_makes_floats_of_all_integers() -> None:
    body, predictor = as_parquet([*MANY, None]), Frames()
    score(body, predictor, LENIENT)
    found = pd.concat(predictor.frames[-2:], ignore_index=True)
    pd.testing.assert_frame_equal(found, READ["parquet"](body)[["c"]])


def test_a_later_cell_of_the_same_type_starts_nothing_again() -> None:
    predictor = Frames()
    scoring.score(MemoryInput(as_csv([*MANY, "-7"])), predictor, LENIENT, MemoryOutput())
    assert [len(frame) for frame in predictor.frames] == [BATCH_ROWS, 4]


def test_a_model_that_raises_on_the_types_of_the_first_rows_gets_those_of_the_whole_file() -> None:
    predictor = Frames(lambda frame: frame["c"].str.lower())
    scored = score(as_csv([*MANY, "x"]), predictor, LENIENT)
    assert (scored.rows, scored.rejected) == (len(MANY) + 1, 0)


def test_a_model_that_raises_on_any_type_fails_the_file_without_a_second_attempt() -> None:
    predictor = Frames(lambda frame: frame["no such column"])
    with pytest.raises(ModelRaised, match="no such column"):
        scoring.score(MemoryInput(as_csv([*MANY, "7"])), predictor, LENIENT, MemoryOutput())


def test_rows_that_the_model_raises_on_are_found_with_the_types_of_the_whole_file() -> None:
    predictor = Frames(lambda frame: frame["c"].map({1: 1, "1": 1, "x": 2}).astype(int))
    with pytest.raises(NeedsTypes):
        scoring.score(MemoryInput(as_csv(["2", *MANY])), predictor, LENIENT, MemoryOutput())
    scored = score(as_csv(["2", *MANY]), predictor, LENIENT)
    assert (scored.rows, scored.rejected) == (len(MANY), 1)


def test_a_file_that_fails_anyway_is_not_started_again() -> None:
    body = as_csv([*MANY, "x"]).replace(b"\n7,1\n", b"\n7,1,1\n")
    with pytest.raises(Exception, match="line 9: 3 cells where the header has 2"):
        scoring.score(MemoryInput(body), Frames(), ScoreOptions(), MemoryOutput())


def test_a_type_that_is_set_is_the_type_whatever_the_file_holds() -> None:
    predictor = Frames()
    options = ScoreOptions(dtypes=(("c", "text"), ("no such column", "int")))
    assert score(as_csv(["007", "8"]), predictor, options).rows == 2
    assert predictor.frames[0]["c"].tolist() == ["007", "8"]

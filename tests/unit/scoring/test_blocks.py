"""A model of numbers gets one array instead of a frame, and every output is the same.

`Framed` is the reference: a subclass of the predictor always gets a frame.
"""

import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, KMeans
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tests.support.strategies import evenly_long, examples
from tests.support.tables import parquet
from tests.support.whole_file import ScoredFile, score
from worker.errors import TidegateError
from worker.interfaces import ScoreOptions
from worker.models import Predictor, SklearnPredictor

CHANCE = np.random.default_rng(3)
NAMES = ["a", "b", "c"]
X = pd.DataFrame(CHANCE.normal(size=(90, 3)), columns=NAMES)
GAPS = X.mask(CHANCE.random((90, 3)) < 0.1)
TWO = (X["a"] > 0).to_numpy()
THREE = np.array(["low", "mid", "top"])[pd.qcut(X["a"] + X["b"], 3, labels=False)]
SUM = X.sum(axis=1).to_numpy()

MODELS: Mapping[str, BaseEstimator] = {
    "two classes": LogisticRegression().fit(X, TWO),
    "three classes": LogisticRegression().fit(X, THREE),
    "without names": LogisticRegression().fit(X.to_numpy(), THREE),
    "regression": LinearRegression().fit(X, SUM),
    "several outputs": Ridge().fit(X, np.column_stack([SUM, -SUM])),
    "forest": RandomForestClassifier(5, random_state=0).fit(X, THREE),
    "histogram booster": HistGradientBoostingClassifier(max_iter=3).fit(GAPS, THREE),
    "support vectors": SVC().fit(X, THREE),
    "neighbours": KNeighborsClassifier().fit(X, THREE),
    "network": MLPClassifier(5, max_iter=20, tol=1.0, random_state=0).fit(X, THREE),
    "clusters": KMeans(3, n_init=1, random_state=0).fit(X),
    "subclusters": Birch(threshold=0.1).fit(X),
    "isolation": IsolationForest(n_estimators=5, random_state=0).fit(X),
    "pipeline": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(
        GAPS, THREE
    ),
    "pipeline that overwrites": make_pipeline(StandardScaler(copy=False), LogisticRegression()).fit(
        X.copy(), THREE
    ),
    "union": make_pipeline(make_union(StandardScaler(), PolynomialFeatures()), Ridge()).fit(X, SUM),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(X, THREE),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, THREE),
    "votes": VotingClassifier([("a", LogisticRegression()), ("b", SVC())]).fit(X, THREE),
    "stack": StackingClassifier(
        [("a", make_pipeline(StandardScaler(), LogisticRegression()))], passthrough=True, cv=2
    ).fit(X, THREE),
    "bag": BaggingRegressor(Ridge(), 3, max_features=2, random_state=0).fit(X, SUM),
    "frozen": FrozenEstimator(LogisticRegression().fit(X, THREE)),
}


class Framed(SklearnPredictor):
    """Predicts as its base class does, and gets frames."""


BLOCKS = {name: SklearnPredictor(model) for name, model in MODELS.items()}
FRAMES = {name: Framed(model) for name, model in MODELS.items()}


def outcome(body: bytes, predictor: Predictor, options: ScoreOptions) -> ScoredFile | list[str]:
    """Return the whole result, or the error's class and text."""
    try:
        return score(body, predictor, options)
    except TidegateError as error:
        return [type(error).__name__, str(error)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads of a histogram booster would wait for each other busily."""
    with threadpool_limits(1):
        yield


STRICT, LENIENT = ScoreOptions(), ScoreOptions(max_rejected=0.9)
ROWS = pd.DataFrame(CHANCE.normal(size=(150, 3)), columns=NAMES)
MANY_CELLS = pd.concat([ROWS] * 60)


def csv(frame: pd.DataFrame, **cells: str) -> bytes:
    """Write a frame behind a key; `cells` replaces some, by column and row number."""
    table = frame.reset_index(drop=True).astype(object)
    for place, cell in cells.items():
        table.loc[int(place[1:]), place[0]] = cell
    return table.to_csv(index_label="key").encode()


FILES = {
    "one row": csv(ROWS.head(1)),
    "many rows": csv(ROWS),
    "many cells": csv(MANY_CELLS),
    "no row": csv(ROWS.head(0)),
    "gaps": csv(ROWS, a3="", b7="nan", c9=""),
    "gaps among many cells": csv(MANY_CELLS, a3="", b7000="NA"),
    "words": csv(ROWS, a3="word", b3="other", c100="1e"),
    "infinite": csv(ROWS, a3="inf", b9="-inf"),
    "only infinite": csv(ROWS.head(2), a0="inf", a1="inf"),
    "booleans": csv(ROWS, a3="true", b9="False"),
    "lines": ROWS.assign(key="k").to_json(orient="records", lines=True).encode(),
    "parquet": parquet(ROWS.reset_index(names="key")),
    "integers": parquet(pd.DataFrame({"key": ["k", "l"], "a": [1, 2], "b": [2, None], "c": True})),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_block_gives_the_outputs_and_the_errors_that_a_frame_gives(model: str) -> None:
    for body in FILES.values():
        for options in (STRICT, LENIENT):
            assert outcome(body, BLOCKS[model], options) == outcome(body, FRAMES[model], options)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_numbers_takes_a_block(model: str) -> None:
    assert BLOCKS[model].takes_block


def test_a_block_costs_no_warning_that_it_has_no_names() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predictor in BLOCKS.values():
            predictor.predict_block(ROWS.to_numpy())


def halve(frame: pd.DataFrame) -> pd.DataFrame:
    frame["a"] = frame["a"] / 2
    return frame


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(copy=False), LogisticRegression()),
        make_pipeline(make_column_transformer((StandardScaler(copy=False), NAMES)), SVC()),
        make_pipeline(FunctionTransformer(halve), LogisticRegression()),
    ],
)
def test_a_model_that_writes_to_its_input_predicts_the_same_values_with_each_method(
    model: BaseEstimator,
) -> None:
    model.fit(X.copy(), THREE)
    expected = model.predict(ROWS.copy())
    for predictor in (SklearnPredictor(model), Framed(model)):
        answer = pd.read_csv(BytesIO(score(FILES["many rows"], predictor, STRICT).output))
        assert answer["prediction"].tolist() == expected.tolist()


def renamed(votes: VotingRegressor) -> VotingRegressor:
    votes.estimators_ = [Ridge().fit(X.rename(columns={"a": "z"}), SUM)]
    return votes


BY_NAME = make_column_transformer((StandardScaler(), ["a", "b"]), remainder="passthrough")


class Own(LogisticRegression):  # type: ignore[misc] # scikit-learn is untyped
    """A class of one's own may look at its frame's columns."""


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(BY_NAME, LogisticRegression()).fit(X, TWO),
        make_pipeline(FunctionTransformer(lambda frame: frame[["a"]]), Ridge()).fit(X, SUM),
        Own().fit(X, TWO),
        DummyRegressor().fit(X, SUM),
        make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge()).fit(X, SUM),
        # A part that knows the columns by other names raises on a frame, and so on every file.
        renamed(VotingRegressor([("a", Ridge())]).fit(X, SUM)),
    ],
)
def test_a_model_that_may_look_at_its_columns_gets_a_frame(model: BaseEstimator) -> None:
    assert not SklearnPredictor(model).takes_block


def test_a_subclass_and_a_wrapper_of_the_predictor_get_frames() -> None:
    class Wrapper:
        def __getattr__(self, name: str) -> object:
            return getattr(BLOCKS["regression"], name)

        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            return -BLOCKS["regression"].predict(frame)

    wrapped = score(FILES["one row"], Wrapper(), STRICT).output
    subclassed = score(FILES["one row"], FRAMES["regression"], STRICT).output
    assert not FRAMES["regression"].takes_block
    assert wrapped.count(b",-") + subclassed.count(b",-") == 1


CELLS = st.sampled_from(["", "nan", "x", "inf", "1e400", " 2 ", "-0", "true"])
NUMBERS = st.floats(-1e3, 1e3).map(repr)


@examples(0.3)
@given(
    rows=evenly_long(st.tuples(*[NUMBERS | CELLS] * 3), 1, 15),
    model=st.sampled_from(["three classes", "pipeline", "several outputs"]),
    dtypes=st.sampled_from([(), (("b", "int"),), (("b", "text"),), (("c", "float"),)]),
)
def test_any_file_gives_the_same_output_with_blocks_and_with_frames(
    rows: list[tuple[str, ...]], model: str, dtypes: tuple[tuple[str, Any], ...]
) -> None:
    table = pd.DataFrame(rows, columns=NAMES)
    options = ScoreOptions(max_rejected=0.9, dtypes=dtypes)
    body = table.to_csv(index_label="key").encode()
    assert outcome(body, BLOCKS[model], options) == outcome(body, FRAMES[model], options)

"""What a fitted model says of each of its columns, one kind of part at a time."""

from operator import methodcaller
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfVectorizer,
)
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import CategoricalNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from worker.columns import ColumnSpec
from worker.models import SklearnPredictor
from worker.models.column_specs import find_columns
from worker.models.column_specs.claims import claim_of_categories, merged

ROWS = 24
Y = np.arange(ROWS) % 2
X = pd.DataFrame(
    {
        "x": np.linspace(0.1, 2, ROWS),
        "n": [1, 2, 3] * 8,
        "s": ["a", "b"] * 12,
        "flag": [True, True, False] * 8,
    }
)
FLOAT = ColumnSpec("float")
NUMBER = ColumnSpec("float", "refused")
CODE = ColumnSpec("int", categories=(1, 2, 3))
WORD = ColumnSpec("text", categories=("a", "b"))
FLAG = ColumnSpec("bool", categories=(False, True))
UNUSED = ColumnSpec("unused")
DOCUMENT = ColumnSpec("text", "refused")


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn is untyped
    """A part that is not scikit-learn's."""

    def fit(self, table: Any, _: object = None) -> "Own":  # noqa: ANN401 - any table
        self.n_features_in_ = table.shape[1]
        return self

    def transform(self, table: Any) -> Any:  # noqa: ANN401 - any table
        return np.zeros((len(table), 1))


def ignoring() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


def encoded(*columns: str) -> Any:  # noqa: ANN401 - scikit-learn's
    """Return a model that encodes these columns, and takes the others as numbers."""
    encoder = ("e", ignoring(), list(columns))
    return make_pipeline(
        ColumnTransformer([encoder], remainder="passthrough"), LogisticRegression()
    )


def specs_of(model: Any, table: Any = X, y: Any = Y) -> dict[str, ColumnSpec | None]:  # noqa: ANN401 - scikit-learn's
    predictor = SklearnPredictor(model.fit(table, y))
    names = predictor.feature_names_in_ or range(len(predictor.column_specs))
    return dict(zip(map(str, names), predictor.column_specs, strict=True))


def spec_of(part: Any, values: object, y: Any = None) -> ColumnSpec | None:  # noqa: ANN401 - scikit-learn's
    """Return what a part says of its only column."""
    table = pd.DataFrame({"c": values})
    return find_columns(part.fit(table, np.arange(len(table)) % 2 if y is None else y), 1).specs[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 1, 2], ColumnSpec("int", categories=(1, 2, 3))),
        (np.array([3, 1], np.uint8), ColumnSpec("int", categories=(1, 3))),
        ([1.5, 2.0], ColumnSpec("float", categories=(1.5, 2.0))),
        ([1.0, np.nan], ColumnSpec("float", categories=(1.0,))),
        ([True, False], ColumnSpec("bool", categories=(False, True))),
        (["b", "a"], ColumnSpec("text", categories=("a", "b"))),
        (["a", np.nan], ColumnSpec("text", categories=("a",))),
        (pd.Series(["a", None], dtype=object), ColumnSpec("text", "none", ("a",))),
        (pd.Series([True, None], dtype=object), ColumnSpec("bool", "none", (True,))),
        (pd.Series([2, 1], dtype=object), ColumnSpec("int", categories=(1, 2))),
        (pd.Categorical(["b", "a"]), ColumnSpec("text", categories=("a", "b"))),
        (pd.Series([1, 2], dtype="Int64"), ColumnSpec("float", categories=(1.0, 2.0))),
        (["NA", "None", "x"], ColumnSpec("text", categories=("NA", "None", "x"))),
        (["1", "2"], ColumnSpec("text", categories=("1", "2"))),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]), None),
        (pd.Series([b"a", b"b"], dtype=object), None),
        ([None, None], None),
    ],
    ids=str,
)
def test_categories_say_the_type_the_values_and_what_missing_is(
    values: object, expected: ColumnSpec | None
) -> None:
    assert spec_of(ignoring(), values) == expected


def test_values_of_several_python_types_are_a_category() -> None:
    claim = claim_of_categories([1, "a", np.nan])
    assert merged([claim]) == ColumnSpec("category", categories=(1, "a"))
    assert merged([claim_of_categories([1, 2.5])]) == ColumnSpec("float", categories=(1, 2.5))


def test_parts_that_contradict_each_other_say_nothing() -> None:
    assert merged([claim_of_categories(["1"]), claim_of_categories([1])]) is None


def test_codes_beyond_floats_stay_two_categories() -> None:
    spec = spec_of(ignoring(), [9007199254740992, 9007199254740993])
    assert spec == ColumnSpec("int", categories=(9007199254740992, 9007199254740993))
    model = encoded("c").fit(pd.DataFrame({"c": [9007199254740992, 9007199254740993]}), [0, 1])
    answer = SklearnPredictor(model).predict(
        pd.DataFrame({"c": [9007199254740992, 9007199254740993]})
    )
    assert answer["activation"][0] < 0.5 < answer["activation"][1]


def test_codes_beyond_floats_stay_two_categories_by_position_beside_floats() -> None:
    codes = np.array([[9007199254740992, 1], [9007199254740993, 1]])
    columns = ColumnTransformer([("c", ignoring(), [0]), ("x", StandardScaler(), [1])])
    model = make_pipeline(columns, LogisticRegression()).fit(codes, [0, 1])
    frame = pd.DataFrame({"c": codes[:, 0], "x": [1.0, 1.0]})
    answer = SklearnPredictor(model).predict(frame)
    assert answer["activation"][0] < 0.5 < answer["activation"][1]


def test_an_encoder_fitted_on_none_meets_none() -> None:
    table = pd.DataFrame({"c": pd.Series(["a", None] * 3, dtype=object)})
    predictor = SklearnPredictor(
        make_pipeline(ignoring(), LogisticRegression()).fit(table, [0, 1] * 3)
    )
    assert predictor.column_specs == (ColumnSpec("text", "none", ("a",)),)
    assert list(predictor.predict(table)["activation"] > 0.5) == [False, True] * 3


def test_codes_as_objects_are_found_in_a_column_of_whole_numbers() -> None:
    table = pd.DataFrame({"c": pd.Series([1, 2] * 3, dtype=object)})
    predictor = SklearnPredictor(
        make_pipeline(ignoring(), LogisticRegression()).fit(table, [0, 1] * 3)
    )
    assert predictor.column_specs == (ColumnSpec("int", categories=(1, 2)),)
    whole = table.astype("int64")
    assert predictor.predict(whole).equals(predictor.predict(table))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        TargetEncoder(),
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
    ],
)
@pytest.mark.parametrize("as_array", [False, True])
def test_codes_as_narrow_floats_are_found_in_a_column_of_float64(
    encoder: object, dtype: Literal["float32", "float16"], *, as_array: bool
) -> None:
    table = pd.DataFrame({"other": [1.5, 2.5] * 12, "c": [0.1, 0.2, np.nan, 0.3] * 6})
    trained = table.astype({"c": dtype}) if not as_array else table.astype(dtype).to_numpy()
    columns = ColumnTransformer([("e", encoder, [1])], remainder="passthrough")
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    predictor = SklearnPredictor(model.fit(trained, [0, 1, 2, 3] * 6))
    answer = predictor.predict(table)
    assert answer["prediction"].tolist() == model.predict(trained).tolist()


def test_narrow_floats_stand_at_their_place_if_a_dropped_column_is_absent() -> None:
    table = pd.DataFrame({"junk": ["x"] * 6, "c": np.array([0.1, 0.2, 0.3] * 2, "float32")})
    columns = ColumnTransformer([("e", ignoring(), ["c"])])
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(table, [0, 1, 2] * 2)
    answer = SklearnPredictor(model).predict(pd.DataFrame({"c": [0.1, 0.2, 0.3]}))
    assert answer["prediction"].tolist() == [0, 1, 2]


def test_a_function_of_numpy_gets_no_objects_because_an_imputer_made_some() -> None:
    table = X[["n", "s"]]
    encode = make_pipeline(SimpleImputer(strategy="most_frequent"), ignoring())
    columns = ColumnTransformer(
        [("both", encode, ["n", "s"]), ("n", FunctionTransformer(np.log1p), ["n"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, Y)
    predictor = SklearnPredictor(model)
    assert predictor.column_specs == (CODE, WORD)
    assert np.array_equal(predictor.predict(table)["activation"], model.predict_proba(table)[:, 1])


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_an_encoder_that_refuses_unknown_values_refuses_a_missing_one(encoder: object) -> None:
    assert spec_of(encoder, ["a", "b"]) == ColumnSpec("text", "refused", ("a", "b"))
    assert spec_of(encoder, ["a", np.nan]) == ColumnSpec("text", "nan", ("a",))


def test_a_target_encoder_takes_a_missing_value_that_it_never_saw() -> None:
    assert spec_of(TargetEncoder(cv=2), ["a", "b"] * 6) == WORD


def test_an_ordinal_encoder_with_a_value_for_the_unknown_takes_a_missing_one() -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    assert spec_of(encoder, ["a", "b"]) == WORD


def test_estimators_of_numbers_take_floats() -> None:
    assert (
        spec_of(KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"), [1, 2, 3]) == NUMBER
    )
    assert spec_of(StandardScaler(), [1, 2, 3]) == FLOAT
    assert spec_of(LogisticRegression(), [1, 2, 3]) == NUMBER
    assert spec_of(RandomForestClassifier(2), [1, 2, 3]) == FLOAT


def test_a_column_transformer_sends_each_column_its_own_way() -> None:
    columns = ColumnTransformer([("x", StandardScaler(), ["x"]), ("s", ignoring(), ["s", "n"])])
    assert specs_of(make_pipeline(columns, LogisticRegression())) == {
        "x": FLOAT,
        "n": CODE,
        "s": WORD,
        "flag": UNUSED,
    }


@pytest.mark.parametrize(
    "key",
    [
        ["n"],
        [1],
        [-3],
        slice(1, 2),
        slice("n", "n"),
        [False, True, False, False],
        make_column_selector(dtype_include="int64"),
        pd.Index(["n"]),
        lambda _: ["n"],
    ],
    ids=str,
)
def test_a_route_may_name_its_columns_in_any_way(key: object) -> None:
    columns = ColumnTransformer([("n", ignoring(), key)])
    assert specs_of(make_pipeline(columns, LogisticRegression())) == {
        "x": UNUSED,
        "n": CODE,
        "s": UNUSED,
        "flag": UNUSED,
    }


def test_what_passes_through_meets_the_next_step() -> None:
    assert specs_of(encoded("s")) == {"x": NUMBER, "n": NUMBER, "s": WORD, "flag": NUMBER}


def test_what_passes_through_one_transformer_meets_the_next_one() -> None:
    first = ColumnTransformer([("x", "passthrough", ["s"]), ("y", "drop", ["flag"])])
    model = make_pipeline(first, ignoring(), LogisticRegression())
    assert specs_of(model) == {"x": UNUSED, "n": UNUSED, "s": WORD, "flag": UNUSED}


def test_the_remainder_may_have_a_transformer_of_its_own() -> None:
    columns = ColumnTransformer([("s", ignoring(), ["s"])], remainder=StandardScaler())
    specs = specs_of(make_pipeline(columns, LogisticRegression()))
    assert specs == {"x": FLOAT, "n": FLOAT, "s": WORD, "flag": FLOAT}


def test_routes_may_be_nested() -> None:
    inner = make_pipeline("passthrough", ColumnTransformer([("s", ignoring(), [1])]))
    columns = ColumnTransformer([("inner", inner, ["n", "s"]), ("x", PCA(), ["x"])])
    specs = specs_of(make_pipeline(columns, LogisticRegression()))
    assert specs == {"x": NUMBER, "n": UNUSED, "s": WORD, "flag": UNUSED}


def test_all_members_of_a_union_see_the_column() -> None:
    union = FeatureUnion([("one", ignoring()), ("none", "drop"), ("other", OrdinalEncoder())])
    assert spec_of(make_pipeline(union, LogisticRegression()), ["a", "b"]) == ColumnSpec(
        "text", "refused", ("a", "b")
    )


def test_what_passes_through_a_union_meets_the_next_step() -> None:
    union = make_union(StandardScaler(), "passthrough")
    assert spec_of(make_pipeline(union, LogisticRegression()), [1, 2, 3, 4]) == NUMBER


def test_what_passes_through_a_union_to_an_unknown_place_is_left_to_pandas() -> None:
    union = FeatureUnion([("own", Own()), ("same", "passthrough")])
    assert spec_of(make_pipeline(union, LogisticRegression()), [1, 2, 3, 4]) is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: RandomizedSearchCV(model, {"logisticregression__C": [1.0]}, n_iter=1, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2, ensemble=False),
        lambda model: VotingClassifier([("one", model), ("no", "drop")]),
        lambda model: StackingClassifier([("one", model)], cv=2),
        OneVsRestClassifier,
        lambda model: OutputCodeClassifier(model, random_state=0),
        FixedThresholdClassifier,
        lambda model: TunedThresholdClassifierCV(model, cv=2),
        lambda model: FrozenEstimator(model.fit(X, Y)),
        lambda model: Pipeline([("model", model)]),
    ],
)
def test_wrappers_say_what_their_model_says(wrap: Any) -> None:  # noqa: ANN401 - a function of a model
    specs = specs_of(wrap(encoded("s", "n")))
    assert specs == {"x": NUMBER, "n": CODE, "s": WORD, "flag": NUMBER}


def test_models_of_several_outputs_say_what_their_models_say() -> None:
    model = MultiOutputClassifier(encoded("s"))
    assert specs_of(model, y=np.c_[Y, 1 - Y])["s"] == WORD


def test_a_regressor_of_a_transformed_target_says_what_its_regressor_says() -> None:
    columns = ColumnTransformer([("s", ignoring(), ["s"])])
    model = TransformedTargetRegressor(make_pipeline(columns, LinearRegression()))
    assert specs_of(model)["s"] == WORD


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: BaggingClassifier(model, 3, random_state=0),
        SelfTrainingClassifier,
    ],
)
def test_ensembles_that_make_an_array_first_say_what_their_models_say(wrap: Any) -> None:  # noqa: ANN401 - a function of a model
    columns = ColumnTransformer([("e", ignoring(), [0])], remainder="passthrough")
    model = wrap(make_pipeline(columns, DecisionTreeClassifier()))
    y = np.where(np.arange(ROWS) == 5, -1, Y)  # a row without a label
    specs = specs_of(model, X[["n", "x"]].astype(float), y)
    assert specs == {"n": ColumnSpec("float", categories=(1.0, 2.0, 3.0)), "x": FLOAT}


def test_the_models_of_a_bag_may_know_different_categories() -> None:
    words = [f"word{row}" for row in range(ROWS)]
    spec = spec_of(BaggingClassifier(make_pipeline(ignoring(), DecisionTreeClassifier()), 3), words)
    assert spec is not None
    assert spec.type == "text"
    assert set(spec.categories or ()) <= set(words)


def test_a_column_that_no_bagged_model_drew_is_not_unused() -> None:
    model = BaggingClassifier(encoded(), 1, max_features=1, random_state=0)
    model.estimator = make_pipeline(ignoring(), DecisionTreeClassifier())
    specs = list(specs_of(model, X[["x", "n"]]).values())
    assert None in specs
    assert UNUSED not in specs


@pytest.mark.parametrize("wrap", [OneVsOneClassifier, ClassifierChain])
def test_parts_that_make_a_table_of_numbers_first_take_numbers(wrap: Any) -> None:  # noqa: ANN401 - a class
    y = np.c_[Y, 1 - Y] if wrap is ClassifierChain else np.arange(ROWS) % 3
    model = wrap(make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()))
    assert specs_of(model, X[["x", "n"]], y) == {"x": FLOAT, "n": FLOAT}


def test_a_stack_that_passes_columns_on_shows_them_to_its_last_model() -> None:
    dropping = ColumnTransformer([("x", "passthrough", ["x"])])
    first = make_pipeline(dropping, LogisticRegression())
    table = X[["x", "n"]]
    for passthrough, expected in ((False, UNUSED), (True, NUMBER)):
        stack = StackingClassifier([("one", first)], cv=2, passthrough=passthrough)
        assert specs_of(stack, table)["n"] == expected


def test_a_selection_by_a_model_says_what_the_model_says() -> None:
    model = make_pipeline(
        ColumnTransformer([("s", OrdinalEncoder(), ["s"])], remainder="passthrough"),
        SelectFromModel(LogisticRegression()),
        LogisticRegression(),
    )
    assert specs_of(model)["x"] == NUMBER


@pytest.mark.parametrize(
    "selector", [RFE(LogisticRegression(), n_features_to_select=1), SelectKBest(k=1)]
)
def test_a_selection_takes_the_columns_that_it_leaves_out_too(selector: object) -> None:
    model = make_pipeline(
        ColumnTransformer([("d", "drop", ["s"])], remainder="passthrough"), selector
    )
    table = X[["x", "n", "s"]]
    specs = find_columns(model.fit(table, Y), 3).specs
    assert [spec and spec.type for spec in specs] == ["float", "float", "unused"]


@pytest.mark.parametrize(
    ("missing", "filled", "expected"),
    [(np.nan, np.nan, "nan"), (None, None, "none"), ("?", "?", "refused")],
)
def test_an_imputer_says_what_missing_is_and_the_encoder_behind_it_the_rest(
    missing: object,
    filled: object,
    expected: Any,  # noqa: ANN401 - a literal
) -> None:
    column = pd.Series(["a", filled, "b", "b"], dtype=object)
    imputer = SimpleImputer(missing_values=missing, strategy="most_frequent")
    model = make_pipeline(imputer, OneHotEncoder(), LogisticRegression())
    assert spec_of(model, column) == ColumnSpec("text", expected, ("a", "b"))


def test_none_that_an_imputer_of_nan_left_to_the_encoder_is_none() -> None:
    column = pd.Series(["a", None, "b", "b"], dtype=object)
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), ignoring())
    assert spec_of(model, column) == ColumnSpec("text", "none", ("a", "b"))


def test_an_imputer_of_whole_numbers_hands_them_to_the_encoder_behind_it() -> None:
    model = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(), LogisticRegression()
    )
    assert spec_of(model, [1, 2, 3, 3]) == CODE


def test_an_imputer_that_computes_takes_numbers() -> None:
    assert spec_of(make_pipeline(SimpleImputer(), ignoring()), [1, 2]) == FLOAT
    assert spec_of(make_pipeline(KNNImputer(), ignoring()), [1, 2]) == FLOAT
    assert spec_of(make_pipeline(SimpleImputer(missing_values=-1), ignoring()), [1, 2]) == NUMBER


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_an_imputer_leaves_out_what_it_never_saw_and_adds_its_indicators() -> None:
    table = pd.DataFrame({"no": [np.nan] * 3, "s": ["a", np.nan, "b"]}, dtype=object)
    imputer = SimpleImputer(strategy="most_frequent", add_indicator=True)
    columns = ColumnTransformer([("s", ignoring(), [0]), ("d", "passthrough", [1, 2])])
    model = make_pipeline(imputer, columns, LogisticRegression())
    assert find_columns(model.fit(table, [0, 1, 1]), 2).specs[1] == WORD


def test_histogram_boosting_knows_its_categories() -> None:
    table = X[["x", "n", "s"]].astype({"s": "category"})
    model = HistGradientBoostingClassifier(max_iter=2)
    assert specs_of(model, table) == {"x": FLOAT, "n": FLOAT, "s": WORD}
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=["n"])
    assert specs_of(model, X[["x", "n"]])["n"] == CODE


def test_naive_bayes_of_categories_takes_whole_numbers() -> None:
    assert spec_of(CategoricalNB(), [1, 2, 3]) == ColumnSpec("int", "refused")


@pytest.mark.parametrize(
    "silent",
    [
        FunctionTransformer(methodcaller("astype", str)),
        FunctionTransformer(lambda table: table * 2, validate=True),
        FunctionTransformer(np.square),  # of whole numbers it overflows
        Own(),
    ],
)
def test_a_part_that_may_do_anything_says_nothing(silent: object) -> None:
    assert spec_of(make_pipeline(silent, ignoring(), LogisticRegression()), [1, 2, 3]) is None


def test_a_function_that_makes_floats_of_whole_numbers_takes_numbers() -> None:
    for function in (np.log1p, np.sqrt):
        model = make_pipeline(FunctionTransformer(function), LogisticRegression())
        assert spec_of(model, [1, 2, 3]) == FLOAT


def test_a_function_that_does_nothing_hands_its_columns_on() -> None:
    assert spec_of(make_pipeline(FunctionTransformer(), ignoring()), [1, 2, 3]) == CODE


def test_a_model_that_reads_nothing_says_nothing() -> None:
    assert spec_of(DummyClassifier(), [1, 2, 3]) is None


def test_the_columns_of_a_part_that_says_nothing_are_left_to_pandas_and_the_others_are_known() -> (
    None
):
    words = make_pipeline(FunctionTransformer(methodcaller("astype", str)), ignoring())
    columns = ColumnTransformer([("c", words, ["n"])], remainder="passthrough")
    model = make_pipeline(columns, DecisionTreeRegressor())
    assert specs_of(model, X[["n", "x"]]) == {"n": None, "x": FLOAT}


def test_categories_count_more_than_a_part_that_says_nothing() -> None:
    union = FeatureUnion([("own", Own()), ("known", ignoring())])
    assert spec_of(make_pipeline(union, LogisticRegression()), [1, 2, 3]) == CODE


def test_a_part_that_says_nothing_counts_more_than_one_of_numbers() -> None:
    union = FeatureUnion([("own", Own()), ("number", StandardScaler())])
    assert spec_of(make_pipeline(union, LogisticRegression()), [1, 2, 3]) is None


def test_categories_count_more_than_a_part_of_numbers_which_may_refuse_missing_ones() -> None:
    union = FeatureUnion([("number", PCA()), ("known", ignoring())])
    spec = spec_of(make_pipeline(union, LogisticRegression()), [1, 2, 3])
    assert spec == ColumnSpec("int", "refused", (1, 2, 3))


@pytest.mark.parametrize(
    "vectorizer", [CountVectorizer(), TfidfVectorizer(preprocessor=str.lower), HashingVectorizer()]
)
def test_a_vectorizer_on_a_column_takes_text(vectorizer: object) -> None:
    columns = ColumnTransformer([("s", vectorizer, "s")], remainder="passthrough")
    words = X[["x"]].assign(s=["good day", "bad day"] * 12)
    specs = specs_of(make_pipeline(columns, LogisticRegression()), words)
    assert specs == {"x": NUMBER, "s": DOCUMENT}


def test_a_vectorizer_with_an_analyzer_of_ones_own_says_nothing() -> None:
    columns = ColumnTransformer([("s", CountVectorizer(analyzer=str.split), "s")])
    assert specs_of(make_pipeline(columns, LogisticRegression()), X[["s"]]) == {"s": None}


def test_a_model_of_an_unknown_structure_is_loaded_and_says_nothing() -> None:
    model = encoded("s").fit(X, Y)
    del model[0].transformers_
    assert set(SklearnPredictor(model).column_specs) == {None}


def test_a_model_of_numbers_is_told_by_one_word() -> None:
    predictor = SklearnPredictor(LogisticRegression().fit(X[["x", "n"]], Y))
    assert (predictor.numbers_only, predictor.column_specs) == (True, ())


ENCODERS = [
    OneHotEncoder(),
    ignoring(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    TargetEncoder(cv=2),
    HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=1, categorical_features=[0]),
]
CODES = [
    [9007199254740992, 9007199254740993, 5] * 16,
    [20, 60, 190] * 16,
    [0.5, 1.5, np.nan] * 16,
    [True, False, True] * 16,
    ["1", "2", "NA"] * 16,
    ["a", np.nan, "b"] * 16,
    pd.Series(["a", None, "b"] * 16, dtype=object),
    pd.Series([1, 2, 3] * 16, dtype=object),
    pd.Series([True, None, False] * 16, dtype=object),
    pd.Categorical([10, 20, 30] * 16),
    pd.Categorical(["a", None, "b"] * 16),
]
DTYPES: dict[str, Any] = {"int": "int64", "float": "float64", "bool": "bool", "text": "str"}


def as_described(values: pd.Series, spec: ColumnSpec) -> pd.Series:
    """Return the column that a spec describes; with gaps and no numbers, one of objects."""
    if spec.missing == "none" or (spec.type == "bool" and values.isna().any()):
        none = None if spec.missing == "none" else np.nan
        return pd.Series([none if pd.isna(v) else v for v in values], dtype=object)
    return pd.Series(values.astype(object).astype(DTYPES[spec.type]))


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
@pytest.mark.parametrize("codes", CODES, ids=lambda codes: str(list(codes[:3])))
def test_the_column_that_the_spec_describes_gives_the_predictions_of_training(
    encoder: Any,  # noqa: ANN401 - scikit-learn's
    codes: Any,  # noqa: ANN401 - a list or an array
) -> None:
    table = pd.DataFrame({"c": codes})
    y = (np.arange(len(table)) % 3 == 0).astype(int)
    is_booster = isinstance(encoder, HistGradientBoostingClassifier)
    if is_booster and table["c"].dtype == object:  # which histogram boosters refuse
        table = table.astype("category")
    model = encoder if is_booster else make_pipeline(encoder, DecisionTreeClassifier())
    predictor = SklearnPredictor(model.fit(table, y))
    (spec,) = predictor.column_specs
    assert spec is not None
    described = pd.DataFrame({"c": as_described(table["c"], spec)})
    expected = model.predict_proba(table)[:, 1]
    assert np.array_equal(predictor.predict(described)["activation"], expected)
    assert len(set(expected)) > 1
    for row in range(3):
        alone = described.iloc[[row]].reset_index(drop=True)
        assert predictor.predict(alone)["activation"][0] == expected[row]


def test_columns_that_a_model_drops_may_be_absent() -> None:
    columns = ColumnTransformer([("s", ignoring(), ["s"]), ("x", "passthrough", ["x"])])
    for model in (
        make_pipeline(columns, LogisticRegression()),
        CalibratedClassifierCV(make_pipeline(columns, LogisticRegression()), cv=2),
    ):
        predictor = SklearnPredictor(model.fit(X, Y))
        assert predictor.predict(X[["x", "s"]]).equals(predictor.predict(X))


TEXTS = ["good day", "bad day", "good night", "bad night"]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_pipeline(make_union(TfidfVectorizer(), CountVectorizer()), LogisticRegression()),
        GridSearchCV(make_pipeline(HashingVectorizer(), LogisticRegression()), {}, cv=2),
        make_pipeline(CountVectorizer(), DecisionTreeRegressor()),
    ],
)
def test_one_text_column_is_passed_as_a_series(model: Any) -> None:  # noqa: ANN401 - scikit-learn's
    predictor = SklearnPredictor(model.fit(TEXTS, [1, 0, 1, 0]))
    assert (predictor.n_features_in_, predictor.feature_names_in_) == (1, None)
    assert predictor.column_specs == (DOCUMENT,)
    for rows in (1, 2, 4):
        frame = pd.DataFrame({"text": TEXTS[:rows]})
        answer = predictor.predict(frame)
        expected = (
            model.predict_proba(TEXTS[:rows])[:, 1]
            if hasattr(model, "predict_proba")
            else model.predict(TEXTS[:rows])
        )
        assert np.array_equal(answer.iloc[:, 0], expected)
        assert list(predictor.predict(frame.iloc[:0]).columns) == list(answer.columns)


@pytest.mark.parametrize("model", [DecisionTreeClassifier(), encoded("s")])
def test_a_classifier_of_one_class_names_it(model: Any) -> None:  # noqa: ANN401 - scikit-learn's
    table = X if isinstance(model, Pipeline) else X[["x"]]
    tree = make_pipeline(*model[:-1], DecisionTreeClassifier()) if table is X else model
    predictor = SklearnPredictor(tree.fit(table, ["only"] * ROWS))
    answer = predictor.predict(table)
    assert list(answer.columns) == ["prediction", "activation_only"]
    assert set(answer["prediction"]) == {"only"}
    assert list(predictor.predict(table.iloc[:0]).columns) == list(answer.columns)
    proba = SklearnPredictor(tree, "predict_proba").predict(table)
    assert list(proba.columns) == ["activation_only"]

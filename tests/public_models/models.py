"""Models as people publish them: one pipeline each, fitted on pandas' frame of a CSV."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from operator import methodcaller
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import CategoricalNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MultiLabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.public_models.data_sets import TRAINING_ROWS, table

Frame = Callable[[pd.DataFrame], Any]


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class PublicModel:
    """A model: the table and the columns that it is trained on, and how its author reads them."""

    name: str
    data_set: str
    target: str | tuple[str, ...] | None
    features: tuple[str, ...]
    build: Callable[[], BaseEstimator]
    frame: Frame = field(default=_as_it_is)
    """From pandas' frame of the file to what the author gave to `fit`."""
    labels: Callable[[Any], Any] = field(default=lambda target: target)

    def fitted(self) -> BaseEstimator:
        """Return the model, fitted once."""
        return _fitted(self)


@cache
def _fitted(public: PublicModel) -> BaseEstimator:
    training = table(public.data_set).iloc[:TRAINING_ROWS]
    frame = public.frame(training[list(public.features)])
    if public.target is None:
        return public.build().fit(frame)
    target = public.target if isinstance(public.target, str) else list(public.target)
    return public.build().fit(frame, public.labels(training[target]))


def _one_hot(**options: object) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def _ordinal(**options: object) -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **options)


def _logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=2000)


def _tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=5, random_state=0)


# ---- Titanic
_TITANIC = ("Pclass", "Sex", "Age", "SibSp", "Fare", "Embarked")


def titanic_logistic() -> BaseEstimator:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), _one_hot())
    columns = [("num", numbers, ["Age", "Fare"]), ("cat", words, ["Embarked", "Sex", "Pclass"])]
    return make_pipeline(ColumnTransformer(columns), _logistic())


def titanic_boosting() -> BaseEstimator:
    encoded = make_column_transformer(
        (_ordinal(), ["Sex", "Embarked"]), remainder="passthrough", verbose_feature_names_out=False
    )
    encoded.set_output(transform="pandas")
    booster = HistGradientBoostingClassifier(
        max_iter=10, categorical_features=["Sex", "Embarked"], random_state=0
    )
    return make_pipeline(encoded, booster)


def titanic_voting() -> BaseEstimator:
    imputer = SimpleImputer(strategy="mean", add_indicator=True)
    votes = [("lr", _logistic()), ("tree", _tree())]
    return make_pipeline(imputer, VotingClassifier(votes, voting="soft"))


def titanic_stacking() -> BaseEstimator:
    encoded = make_column_transformer(
        (_one_hot(), make_column_selector(dtype_exclude="number")),
        (KNNImputer(), make_column_selector(dtype_include="number")),
    )
    estimators = [("tree", _tree()), ("nb", KNeighborsClassifier())]
    return make_pipeline(encoded, StackingClassifier(estimators, _logistic(), cv=3))


def titanic_none() -> BaseEstimator:
    return make_pipeline(_one_hot(), _tree())


def _missing_as_none(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), None)


# ---- Adult
_ADULT = ("age", "workclass", "education", "education-num", "sex", "hours")


def adult_forest() -> BaseEstimator:
    encoded = make_column_transformer(
        (_one_hot(), ["workclass", "education", "sex"]), remainder="passthrough"
    )
    return make_pipeline(encoded, RandomForestClassifier(10, random_state=0))


def adult_categories() -> BaseEstimator:
    return HistGradientBoostingClassifier(
        max_iter=10, categorical_features="from_dtype", random_state=0
    )


def _as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    words = {
        name: pd.CategoricalDtype(sorted(table("adult")[name].unique()))
        for name in ("workclass", "education", "sex")
    }
    return frame.astype(words)


def adult_target_encoder() -> BaseEstimator:
    encoded = make_column_transformer(
        (TargetEncoder(smooth=5.0, cv=KFold(3)), ["workclass", "education"]),
        ("drop", ["sex"]),
        remainder="passthrough",
    )
    return make_pipeline(encoded, GradientBoostingClassifier(n_estimators=5, random_state=0))


def adult_bayes() -> BaseEstimator:
    return make_pipeline(OrdinalEncoder(), CategoricalNB())


# ---- Churn
_CHURN = ("SeniorCitizen", "Partner", "tenure", "Contract", "Billing", "Charges")


def _churn_columns() -> ColumnTransformer:
    words = ["Contract", "Billing", "Partner", "SeniorCitizen"]
    return make_column_transformer(
        (_one_hot(drop="if_binary"), words),
        (make_pipeline(SimpleImputer(), RobustScaler()), ["tenure", "Charges"]),
    )


def churn_calibrated() -> BaseEstimator:
    return CalibratedClassifierCV(make_pipeline(_churn_columns(), _tree()), cv=3)


def churn_search() -> BaseEstimator:
    pipeline = make_pipeline(_churn_columns(), _logistic())
    return GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2)


def churn_bagging() -> BaseEstimator:
    return make_pipeline(
        _churn_columns(), BaggingClassifier(_tree(), n_estimators=3, random_state=0)
    )


# ---- Houses
_HOUSES = (
    "Neighborhood",
    "Alley",
    "ExterQual",
    "CentralAir",
    "LotArea",
    "OverallQual",
    "MSSubClass",
    "GarageYrBlt",
)


def houses_log_target() -> BaseEstimator:
    words = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"), _one_hot(sparse_output=False)
    )
    columns = make_column_transformer(
        (words, ["Neighborhood", "Alley", "CentralAir"]),
        (SimpleImputer(strategy="mean"), ["LotArea", "OverallQual", "GarageYrBlt"]),
    )
    return TransformedTargetRegressor(
        make_pipeline(columns, StandardScaler(), Ridge()), func=np.log1p, inverse_func=np.expm1
    )


def houses_qualities() -> BaseEstimator:
    qualities = OrdinalEncoder(categories=[["Fa", "TA", "Gd", "Ex"]])
    columns = make_column_transformer(
        (qualities, ["ExterQual"]),
        (_ordinal(encoded_missing_value=-2), ["Alley", "Neighborhood", "CentralAir"]),
        remainder="passthrough",
    )
    return make_pipeline(columns, HistGradientBoostingRegressor(max_iter=10, random_state=0))


def houses_codes_as_text() -> BaseEstimator:
    text = make_pipeline(FunctionTransformer(methodcaller("astype", str)), _one_hot())
    columns = ColumnTransformer([("code", text, ["MSSubClass"])], remainder="passthrough")
    return make_pipeline(columns, DecisionTreeRegressor(max_depth=6, random_state=0))


def houses_frequent() -> BaseEstimator:
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20),
    )
    columns = make_column_transformer(
        (words, make_column_selector(dtype_exclude="number")),
        (KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), ["LotArea"]),
        ("passthrough", ["OverallQual"]),
    )
    return make_pipeline(columns, Ridge())


# ---- Flowers and wines
_FLOWERS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


def iris_svc() -> BaseEstimator:
    return make_pipeline(StandardScaler(), SVC())


def iris_network() -> BaseEstimator:
    return make_pipeline(
        StandardScaler(), MLPClassifier((5,), solver="lbfgs", max_iter=500, random_state=0)
    )


def wine_forest() -> BaseEstimator:
    return RandomForestRegressor(10, random_state=0)


def _as_array(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    return frame.to_numpy()


def iris_clusters() -> BaseEstimator:
    return make_pipeline(StandardScaler(), KMeans(3, n_init=2, random_state=0))


def iris_outliers() -> BaseEstimator:
    return IsolationForest(n_estimators=10, random_state=0)


def iris_labels() -> BaseEstimator:
    return OneVsRestClassifier(DecisionTreeClassifier(max_depth=3, random_state=0))


def _as_sparse_labels(species: "pd.Series[Any]") -> Any:  # noqa: ANN401 - a sparse matrix
    labels = {"setosa": "ac", "versicolor": "ab", "virginica": "bc"}
    return MultiLabelBinarizer(sparse_output=True).fit_transform(species.map(labels))


# ---- Taxi
_TAXI = ("pickup", "zone", "passengers", "distance", "flag")


def hour_of_day(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the hour and the day of the month of the columns of times."""
    times = frame.apply(pd.to_datetime)
    return pd.DataFrame({"hour": times.iloc[:, 0].dt.hour, "day": times.iloc[:, 0].dt.day})


def taxi_fare() -> BaseEstimator:
    columns = make_column_transformer(
        (FunctionTransformer(hour_of_day), ["pickup"]),
        (_one_hot(), ["zone", "flag"]),
        (SimpleImputer(strategy="most_frequent"), ["passengers", "distance"]),
    )
    return make_pipeline(columns, RandomForestRegressor(10, random_state=0))


def taxi_poisson() -> BaseEstimator:
    columns = make_column_transformer(
        (SplineTransformer(n_knots=3), ["distance"]), (_one_hot(drop="first"), ["zone", "flag"])
    )
    return make_pipeline(columns, PoissonRegressor())


def taxi_two_targets() -> BaseEstimator:
    columns = make_column_transformer(
        (PolynomialFeatures(), ["distance"]), (_one_hot(), ["flag"]), remainder="drop"
    )
    return make_pipeline(columns, MultiOutputRegressor(LinearRegression()))


# ---- Credit
_CREDIT = ("LIMIT_BAL", "PAY_0", "card", "active", "BILL_AMT1")


def credit_codes() -> BaseEstimator:
    columns = make_column_transformer((_one_hot(), ["PAY_0", "card", "active"]), remainder="drop")
    return make_pipeline(columns, ExtraTreesClassifier(10, random_state=0))


def credit_selected() -> BaseEstimator:
    columns = make_column_transformer((_one_hot(), ["PAY_0", "active"]))
    return make_pipeline(columns, SelectKBest(chi2, k=6), LinearSVC())


def credit_boosted() -> BaseEstimator:
    return AdaBoostClassifier(_tree(), n_estimators=3, random_state=0)


def credit_threshold() -> BaseEstimator:
    columns = make_column_transformer((_one_hot(), ["card"]), remainder="passthrough")
    pipeline = make_pipeline(columns, StandardScaler(with_mean=False), _logistic())
    return FixedThresholdClassifier(pipeline, threshold=0.3)


def one_class() -> BaseEstimator:
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0))


# ---- Reviews
def spam() -> BaseEstimator:
    return make_pipeline(TfidfVectorizer(), _logistic())


def sentiment() -> BaseEstimator:
    return make_pipeline(CountVectorizer(ngram_range=(1, 2)), MultinomialNB())


def hashed() -> BaseEstimator:
    return make_pipeline(HashingVectorizer(n_features=64), SGDClassifier(random_state=0))


def _one_column(frame: pd.DataFrame) -> "pd.Series[Any]":
    return frame.iloc[:, 0]


def reviews_mixed() -> BaseEstimator:
    columns = ColumnTransformer(
        [
            ("text", TfidfVectorizer(min_df=2), "review"),
            ("words", _one_hot(), ["channel"]),
            ("numbers", StandardScaler(), ["helpful"]),
        ]
    )
    return make_pipeline(columns, _logistic())


def reviews_union() -> BaseEstimator:
    union = FeatureUnion(
        [("word", TfidfVectorizer()), ("char", CountVectorizer(analyzer="char", max_features=30))]
    )
    return make_pipeline(ColumnTransformer([("text", union, "review")]), _logistic())


# ---- Boosters that need not be installed
def lightgbm_categories() -> BaseEstimator:
    lightgbm = import_module("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1, n_jobs=1)


def _boosters() -> tuple[PublicModel, ...]:
    if find_spec("lightgbm") is None:
        return ()
    return (
        PublicModel(
            "adult: LightGBM, categories",
            "adult",
            "income",
            _ADULT,
            lightgbm_categories,
            _as_categories,
        ),
    )


_M = PublicModel
MODELS = (
    *_boosters(),
    _M("titanic: imputers, one-hot", "titanic", "Survived", _TITANIC, titanic_logistic),
    _M("titanic: ordinal, boosting", "titanic", "Survived", _TITANIC, titanic_boosting),
    _M("titanic: voting, gaps", "titanic", "Survived", ("Pclass", "Age", "Fare"), titanic_voting),
    _M("titanic: stacking, by dtype", "titanic", "Survived", _TITANIC, titanic_stacking),
    _M(
        "titanic: None for missing",
        "titanic",
        "Survived",
        ("Sex", "Cabin", "Embarked"),
        titanic_none,
        _missing_as_none,
    ),
    _M("adult: one-hot, forest", "adult", "income", _ADULT, adult_forest),
    _M(
        "adult: categories, boosting",
        "adult",
        "income",
        _ADULT,
        adult_categories,
        _as_categories,
    ),
    _M("adult: target encoder, drop", "adult", "income", _ADULT, adult_target_encoder),
    _M(
        "adult: naive Bayes",
        "adult",
        "income",
        ("workclass", "education", "education-num"),
        adult_bayes,
    ),
    _M("churn: calibrated", "churn", "Churn", _CHURN, churn_calibrated),
    _M("churn: grid search", "churn", "Churn", _CHURN, churn_search),
    _M("churn: bagging", "churn", "Churn", _CHURN, churn_bagging),
    _M("houses: log target, constant", "houses", "SalePrice", _HOUSES, houses_log_target),
    _M("houses: qualities, boosting", "houses", "SalePrice", _HOUSES, houses_qualities),
    _M(
        "houses: codes as text",
        "houses",
        "SalePrice",
        ("MSSubClass", "LotArea"),
        houses_codes_as_text,
    ),
    _M("houses: infrequent, binned", "houses", "SalePrice", _HOUSES, houses_frequent),
    _M("iris: support vectors", "flowers", "species", _FLOWERS, iris_svc),
    _M("iris: network, by position", "flowers", "species", _FLOWERS, iris_network, _as_array),
    _M("iris: clusters", "flowers", None, _FLOWERS, iris_clusters),
    _M("iris: outliers", "flowers", None, _FLOWERS, iris_outliers),
    _M(
        "iris: sparse labels",
        "flowers",
        "species",
        _FLOWERS,
        iris_labels,
        labels=_as_sparse_labels,
    ),
    _M("wine: forest", "flowers", "quality", _FLOWERS, wine_forest),
    _M("taxi: times, forest", "taxi", "fare", _TAXI, taxi_fare),
    _M("taxi: splines, Poisson", "taxi", "fare", ("zone", "distance", "flag"), taxi_poisson),
    _M("taxi: two targets", "taxi", ("fare", "tip"), _TAXI, taxi_two_targets),
    _M("credit: codes of 64 bits", "credit", "default", _CREDIT, credit_codes),
    _M("credit: selected, linear", "credit", "default", ("PAY_0", "active"), credit_selected),
    _M(
        "credit: boosted trees",
        "credit",
        "default",
        ("LIMIT_BAL", "PAY_0", "active", "BILL_AMT1"),
        credit_boosted,
    ),
    _M("credit: threshold", "credit", "default", _CREDIT, credit_threshold),
    _M(
        "credit: only one class",
        "credit",
        "default",
        ("LIMIT_BAL", "BILL_AMT1"),
        one_class,
        labels=lambda target: np.zeros(len(target), int),
    ),
    _M("reviews: spam, one column", "reviews", "label", ("review",), spam, _one_column),
    _M("reviews: sentiment, one column", "reviews", "label", ("review",), sentiment, _one_column),
    _M("reviews: hashed, one column", "reviews", "label", ("review",), hashed, _one_column),
    _M(
        "reviews: text, words, numbers",
        "reviews",
        "label",
        ("review", "helpful", "channel"),
        reviews_mixed,
    ),
    _M("reviews: union of texts", "reviews", "label", ("review", "helpful"), reviews_union),
)

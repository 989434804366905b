"""Small tables in the manner of public data sets, as pandas.read_csv reads them."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

_ROWS = 420
TRAINING_ROWS = 300

Generator = np.random.Generator
Column = npt.NDArray[np.generic] | list[object]


def _words(draw: Generator, words: str, missing: float = 0.0) -> Column:
    chosen = draw.choice(words.split(), _ROWS).astype(object)
    chosen[draw.random(_ROWS) < missing] = None
    return chosen


def _with_gaps(draw: Generator, values: Column) -> Column:
    return [None if draw.random() < 0.15 else value for value in values]


def _titanic(draw: Generator) -> dict[str, Column]:
    sex = draw.choice(["male", "female"], _ROWS)
    age = draw.uniform(1, 80, _ROWS).round(1)
    return {
        "Pclass": draw.integers(1, 4, _ROWS),
        "Sex": sex,
        "Age": _with_gaps(draw, age),
        "SibSp": draw.integers(0, 5, _ROWS),
        "Fare": draw.lognormal(3, 1, _ROWS).round(4),
        "Cabin": _words(draw, "C85 C123 E46 G6 B28", missing=0.7),
        "Embarked": _words(draw, "S C Q", missing=0.05),
        "Survived": ((sex == "female") ^ (draw.random(_ROWS) < 0.2)).astype(int),
    }


def _adult(draw: Generator) -> dict[str, Column]:
    hours = draw.integers(10, 80, _ROWS)
    return {
        "age": draw.integers(17, 90, _ROWS),
        "workclass": _words(draw, "Private State-gov ? Self-emp-inc"),
        "education": _words(draw, "Bachelors HS-grad 11th Masters"),
        "education-num": draw.integers(1, 17, _ROWS),
        "sex": _words(draw, "Male Female"),
        "hours": hours,
        "income": np.where(hours + draw.normal(0, 10, _ROWS) > 50, ">50K", "<=50K"),
    }


def _churn(draw: Generator) -> dict[str, Column]:
    tenure = draw.integers(0, 72, _ROWS)
    return {
        "SeniorCitizen": draw.integers(0, 2, _ROWS),
        "Partner": draw.random(_ROWS) < 0.5,
        "tenure": tenure,
        "Contract": draw.choice(["Month-to-month", "One year", "Two year"], _ROWS),
        "Billing": _words(draw, "Yes No"),
        "Charges": _with_gaps(draw, (tenure * draw.uniform(20, 100, _ROWS)).round(2)),
        "Churn": np.where(tenure + draw.normal(0, 20, _ROWS) < 30, "Yes", "No"),
    }


def _houses(draw: Generator) -> dict[str, Column]:
    quality, area = draw.integers(1, 11, _ROWS), draw.integers(1500, 20000, _ROWS)
    return {
        "Neighborhood": _words(draw, "NAmes CollgCr OldTown Edwards"),
        "Alley": _words(draw, "Grvl Pave", missing=0.8),
        "ExterQual": _words(draw, "Ex Gd TA Fa"),
        "CentralAir": _words(draw, "Y N"),
        "LotArea": area,
        "OverallQual": quality,
        "MSSubClass": draw.choice([20, 60, 190], _ROWS),
        "GarageYrBlt": _with_gaps(draw, draw.integers(1950, 2010, _ROWS)),
        "SalePrice": (quality * 2e4 + area * 2 + draw.uniform(0, 1e4, _ROWS)).round(),
    }


def _flowers(draw: Generator) -> dict[str, Column]:
    kind = draw.integers(0, 3, _ROWS)
    centres = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    sizes = (centres[kind] + draw.normal(0, 0.3, (_ROWS, 4))).round(1)
    names = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
    return {
        **dict(zip(names, sizes.T, strict=True)),
        "quality": 3 + kind,
        "species": np.array(["setosa", "versicolor", "virginica"])[kind],
    }


def _taxi(draw: Generator) -> dict[str, Column]:
    distance = draw.gamma(2, 2, _ROWS).round(2)
    start = pd.Timestamp("2018-01-01") + pd.to_timedelta(draw.integers(0, 9000, _ROWS), "min")
    return {
        "pickup": start.strftime("%Y-%m-%d %H:%M:%S").to_numpy(),
        "zone": draw.choice([4, 12, 132, 264], _ROWS),
        "passengers": _with_gaps(draw, draw.integers(1, 6, _ROWS)),
        "distance": distance,
        "flag": _words(draw, "Y N"),
        "fare": (2.5 + 2.6 * distance + draw.uniform(0, 2, _ROWS)).round(2),
        "tip": (distance * draw.uniform(0, 1, _ROWS)).round(2),
    }


def _credit(draw: Generator) -> dict[str, Column]:
    late = draw.integers(-2, 9, _ROWS)
    return {
        "LIMIT_BAL": draw.integers(1, 80, _ROWS) * 10_000,
        "PAY_0": late,
        "card": draw.choice([9007199254740992, 9007199254740993, 9007199254740995], _ROWS),
        "active": draw.random(_ROWS) < 0.7,
        "BILL_AMT1": draw.normal(5e4, 3e4, _ROWS).round(2),
        "default": (late + draw.normal(0, 2, _ROWS) > 2).astype(int),
    }


def _reviews(draw: Generator) -> dict[str, Column]:
    good = draw.random(_ROWS) < 0.5
    words = (("great", "love", "fine", "10/10"), ("bad", "broken", "refund", "0/10"))
    return {
        "review": [
            " ".join([*draw.choice(words[0 if is_good else 1], 3), *draw.choice(_FILLERS, 4)])
            for is_good in good
        ],
        "helpful": draw.integers(0, 50, _ROWS),
        "channel": _words(draw, "web app store"),
        "label": np.where(good, "ham", "spam"),
    }


_FILLERS = ("the", "a", 'so-called "product"', "was, well,", "it", "l'été", "2", "NA", "null")
_DATA_SETS: dict[str, Callable[[Generator], dict[str, Column]]] = {
    "titanic": _titanic,
    "adult": _adult,
    "churn": _churn,
    "houses": _houses,
    "flowers": _flowers,
    "taxi": _taxi,
    "credit": _credit,
    "reviews": _reviews,
}


@cache
def table(name: str) -> pd.DataFrame:
    """Return a data set with a key as its first column, as pandas.read_csv reads all of it."""
    draw = np.random.default_rng(5)
    columns = {"key": [f"{number:05}" for number in range(_ROWS)]} | _DATA_SETS[name](draw)
    text = pd.DataFrame(columns).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), dtype={"key": str})

"""Models whose predictions are exact numbers, so that a case can state them."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor


def line() -> LinearRegression:
    """Return a model that predicts x + 10 y, of columns by name; it takes no missing values."""
    model = nameless_line()
    model.feature_names_in_ = np.array(["x", "y"], dtype=object)
    return model


def nameless_line() -> LinearRegression:
    """Return the same model, of columns by position."""
    model = LinearRegression()
    model.coef_, model.intercept_, model.n_features_in_ = np.array([1.0, 10.0]), 0.0, 2
    return model


def shop() -> Pipeline:
    """Return a model of colour and size: 1 if red, 2 if green, else 3; 10 more without size.

    The colour may be any string, or missing.
    """
    colours, sizes = ["red", "green", "blue"], [1.0, np.nan]
    frame = pd.DataFrame(
        [(colour, size) for colour in colours for size in sizes], columns=["colour", "size"]
    )
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(categories=[["red", "green"]], handle_unknown="ignore"), ["colour"]),
            remainder="passthrough",
        ),
        DecisionTreeRegressor(random_state=0),
    ).fit(frame, [1.0, 11.0, 2.0, 12.0, 3.0, 13.0])


CODES = ("n", "t", "b", "f")


def codes() -> Pipeline:
    """Return a model of codes of four types, which it was trained on; it ignores others.

    It predicts the sum of n (1, 2 or 3), of t (`a`: 10, `007`: 20, `NA`: 30), of b (true: 100) and
    of f (0.5: 1000, 1.5: 2000).
    """
    frame = pd.DataFrame(
        {
            "n": [1, 2, 3],
            "t": ["a", "007", "NA"],
            "b": [True, False, True],
            "f": [0.5, 1.5, 0.5],
        }
    )
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), list(CODES))),
        LinearRegression(),
    ).fit(frame, [0.0, 0.0, 0.0])
    # In the order of the categories: n, then t (007, NA, a), then b (false, true), then f.
    model[-1].coef_ = np.array([1.0, 2.0, 3.0, 20.0, 30.0, 10.0, 0.0, 100.0, 1000.0, 2000.0])
    model[-1].intercept_ = 0.0
    return model


def none() -> None:
    """Return no model: the predictor of the run does not read the model file."""

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


def none() -> None:
    """Return no model: the predictor of the run does not read the model file."""

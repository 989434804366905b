import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tidegate.cli.demo.checks import DemoFailed, check_output
from tidegate.cli.demo.inputs import BROKEN_KEY, KEYS, decode, encode, make_inputs

KEY = "iris.csv"


@pytest.fixture
def flowers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"{number:03}" for number in range(40)],
            "sepal_length": np.linspace(4, 7, 40),
            "petal_length": np.linspace(1, 6, 40),
        }
    )


@pytest.fixture
def model(flowers: pd.DataFrame) -> LogisticRegression:
    features = flowers[["petal_length", "sepal_length"]]
    return LogisticRegression().fit(features, np.arange(40) > 20)


@pytest.fixture
def predicted(flowers: pd.DataFrame, model: LogisticRegression) -> pd.DataFrame:
    activation = model.predict_proba(flowers[["petal_length", "sepal_length"]])[:, 1]
    return flowers[["id"]].assign(activation=activation)


@pytest.mark.parametrize("key", KEYS)
def test_the_right_output_is_accepted_in_every_format(
    key: str, flowers: pd.DataFrame, model: LogisticRegression, predicted: pd.DataFrame
) -> None:
    rows, first = check_output(model, key, encode(key, flowers), encode(key, predicted))
    assert (rows, first) == (40, predicted["activation"][0])


def test_a_prediction_that_differs_in_the_tenth_digit_is_refused(
    flowers: pd.DataFrame, model: LogisticRegression, predicted: pd.DataFrame
) -> None:
    predicted["activation"] *= np.where(np.arange(40) == 7, 1 + 1e-10, 1)
    with pytest.raises(DemoFailed, match="differ from those in memory by up to 1e-10"):
        check_output(model, KEY, encode(KEY, flowers), encode(KEY, predicted))


def test_an_id_that_lost_its_zeros_is_refused(
    flowers: pd.DataFrame, model: LogisticRegression, predicted: pd.DataFrame
) -> None:
    predicted["id"] = predicted["id"].astype(int)
    with pytest.raises(DemoFailed, match="the column id differs from the input's"):
        check_output(model, KEY, encode(KEY, flowers), encode(KEY, predicted))


def test_a_missing_row_is_refused(
    flowers: pd.DataFrame, model: LogisticRegression, predicted: pd.DataFrame
) -> None:
    with pytest.raises(DemoFailed, match="the column id"):
        check_output(model, KEY, encode(KEY, flowers), encode(KEY, predicted[1:]))


def test_a_column_too_many_is_refused(
    flowers: pd.DataFrame, model: LogisticRegression, predicted: pd.DataFrame
) -> None:
    with pytest.raises(DemoFailed, match="columns are"):
        check_output(model, KEY, encode(KEY, flowers), encode(KEY, predicted.assign(more=1)))


def test_the_demo_uploads_a_dozen_files_that_all_differ_and_one_is_broken(
    flowers: pd.DataFrame,
) -> None:
    files = make_inputs(flowers)
    assert len(files) == 12
    assert [file.key for file in files if file.broken] == [BROKEN_KEY]
    assert len({tuple(decode(file.key, file.content)["id"]) for file in files[1:-1]}) == 10

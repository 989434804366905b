import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from structlog.testing import capture_logs

from worker.errors import ModelError
from worker.models import load_predictor

CHANCE = np.random.default_rng(5)
X = pd.DataFrame(CHANCE.random((60, 2)), columns=["a", "b"])
TWO = (X.sum(axis=1) > 1).astype(int)
MIXED = X.assign(colour=["red", "blue"] * 30)


def saved(tmp_path: Path, model: object) -> Path:
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    return path


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame * 2


def test_a_pipeline_from_skops_answers_as_it_did(tmp_path: Path) -> None:
    columns = ColumnTransformer(
        [("number", StandardScaler(), ["a", "b"]), ("text", OneHotEncoder(), ["colour"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(MIXED, TWO)
    answer = load_predictor(saved(tmp_path, model)).predict(MIXED)
    assert np.array_equal(answer["activation"], model.predict_proba(MIXED)[:, 1])


def test_types_that_are_not_trusted_are_refused_with_their_names(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(doubled), LinearRegression()).fit(X, TWO)
    with pytest.raises(ModelError, match=r"model\.skops holds types .*not trust.*\.doubled$"):
        load_predictor(saved(tmp_path, model))


def test_trees_are_refused_as_a_made_up_one_could_read_any_memory(tmp_path: Path) -> None:
    model = RandomForestClassifier(2).fit(X, TWO)
    with pytest.raises(ModelError, match=r"not trust.*: sklearn\.tree\._tree\.Tree$"):
        load_predictor(saved(tmp_path, model))


def rewritten(path: Path, version: str) -> Path:
    """Change the scikit-learn version that a model file names."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    schema["content"]["content"]["_sklearn_version"]["content"] = json.dumps(version)
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in (parts | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, part)
    return path


def test_another_minor_version_of_scikit_learn_is_refused_naming_both(tmp_path: Path) -> None:
    path = rewritten(saved(tmp_path, LogisticRegression().fit(X, TWO)), "1.2.3")
    with pytest.raises(
        ModelError, match=rf"scikit-learn 1\.2\.3 and this is {sklearn.__version__}"
    ):
        load_predictor(path)


def test_another_patch_of_scikit_learn_is_logged(tmp_path: Path) -> None:
    patch = ".".join([*sklearn.__version__.split(".")[:2], "99"])
    path = rewritten(saved(tmp_path, LogisticRegression().fit(X, TWO)), patch)
    with capture_logs() as logs:
        load_predictor(path)
    assert [(log["log_level"], log["written"]) for log in logs] == [("warning", patch)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.unlink(),
    ],
)
def test_what_is_no_skops_file_is_an_error_with_path_and_cause(
    tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    path = saved(tmp_path, LogisticRegression().fit(X, TWO))
    spoil(path)
    with pytest.raises(ModelError, match=r"model\.skops cannot be loaded: \w+: "):
        load_predictor(path)

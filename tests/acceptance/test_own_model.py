"""A new user's walk: `tidegate cloud` with an own model and own files, one of them broken."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tests.support.wheels import only, write_locked, write_wheel
from tidegate.image.environment import environment_of
from tidegate.image.lock import lock
from tidegate.image.source import ImageSource
from tidegate.localcloud.cloud import CHECKOUT

FILES = 20
RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "id": [f"{number:05}" for number in range(200)],
        "age": RANDOM.integers(18, 80, 200),
        "spent": RANDOM.gamma(2.0, 50.0, 200).round(2),
    }
)
CHURNED = (ROWS["spent"] < 80).astype(int)
OWN = """
import json
import pandas as pd

class Rule:
    feature_names_in_ = ["age", "spent"]

    def __init__(self, path):
        self.limit = json.loads(path.read_text())["limit"]

    def predict(self, frame):
        return pd.DataFrame({"churns": frame["spent"] < self.limit})
"""


def boosting(folder: Path) -> list[str]:
    pipeline = make_pipeline(OrdinalEncoder(), HistGradientBoostingClassifier(max_iter=5))
    joblib.dump(pipeline.fit(ROWS[["age", "spent"]], CHURNED), folder / "model.pkl")
    return ["--model", "model.pkl", "--set", "KEEP_COLUMNS=id,age", "--set", "MAX_REJECTED=0.1"]


def light(folder: Path) -> list[str]:
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    joblib.dump(model.fit(ROWS[["age", "spent"]], CHURNED), folder / "model.joblib")
    stand_in_environment(folder)
    return ["--model", "model.joblib", "--requirements", "my.txt"]


def stand_in_environment(folder: Path) -> None:
    """Put a stand-in where the environment with LightGBM would be: it writes down what it runs."""
    requirements, wheels = folder / "my.txt", folder / "wheels"
    requirements.write_text("lightgbm\n")
    wheels.mkdir()
    write_locked(wheels)
    write_wheel(wheels, "lightgbm", "1.0")
    with patch.dict(os.environ, only(wheels, folder / "uv-cache")):
        locked = lock(ImageSource(requirements))
    python = environment_of(locked) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$2" >> {folder}/ran\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)


def rule(folder: Path) -> list[str]:
    (folder / "rule.json").write_text('{"limit": 80}')
    (folder / "own.py").write_text(OWN)
    return ["--model", "rule.json", "--predictor", "own:Rule"]


@contextmanager
def cloud(folder: Path, arguments: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with (
        TemporaryDirectory(prefix="own-") as temporary,
        subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tidegate", "cloud", *arguments, "--files", "in"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "TMPDIR": temporary},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def until(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """Read lines until that many results have come; returns the results."""
    assert process.stdout is not None
    results, others = list[str](), list[str]()
    for line in process.stdout:
        shown = line.strip()
        is_result = shown.startswith(("✓", "✗")) and ".csv: " in shown
        (results if is_result else others).append(shown)
        if len(results) == count:
            return results
    raise AssertionError("\n".join(others + results))


@pytest.mark.parametrize("model", [boosting, light, rule])
def test_own_files_are_predicted_by_an_own_model_and_a_mended_one_too(
    tmp_path: Path, model: Callable[[Path], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = model(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(FILES - 1):
        ROWS.iloc[number : number + 10].to_csv(folder / f"{number:02}.csv", index=False)
    ROWS.drop(columns="spent").to_csv(folder / "broken.csv", index=False)

    with cloud(tmp_path, arguments) as process:
        results = until(process, FILES)
        failed = [line for line in results if line.startswith("✗")]
        assert len(failed) == 1
        assert failed[0].startswith("✗ broken.csv: SchemaMismatch: 1 of the 2 model's columns")

        ROWS.to_csv(folder / "broken.csv", index=False)
        assert until(process, 1) == ["✓ broken.csv: 200 rows → predictions/broken.csv"]
        if model is boosting:  # the stack has the worker's settings
            (folder / "odd.csv").write_text(ROWS.to_csv(index=False) + "x,much,1.0\n")
            odd = "✓ odd.csv: 200 rows, 1 rejected → predictions/odd.csv"
            assert until(process, 1) == [odd]
        if model is light:  # the check of the model, and the worker
            ran = (tmp_path / "ran").read_text().split()
            assert ran[:2] == ["tidegate.offline.loading", "worker"]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT

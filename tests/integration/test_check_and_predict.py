"""The commands `tidegate check` and `predict`; a real worker writes the same bytes."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import joblib
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.integration.test_worker_formats import FILES
from tests.support.scenario import Endpoint
from tests.support.schemas import checked
from tests.support.template import ROOT
from tests.support.warm_commands import Ran, warm_commands
from tidegate.offline.baseline import Baseline

IRIS = load_iris(as_frame=True)
BROKEN = "id,a\n1,2\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pkl"
    joblib.dump(LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target), path)
    return path


@pytest.fixture
def flowers() -> pd.DataFrame:
    frame: pd.DataFrame = IRIS.data.copy()
    frame.insert(0, "id", [f"{number:04}" for number in range(len(frame))])
    return frame


class Tidegate(Protocol):
    """Runs the command."""

    def __call__(self, *arguments: object, cwd: Path) -> Ran: ...


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "COLUMNS": "100"}


@pytest.fixture(scope="module")
def tidegate() -> Iterator[Tidegate]:
    with warm_commands() as commands:

        def run(*arguments: object, cwd: Path) -> Ran:
            return commands.run([str(argument) for argument in arguments], cwd, ENVIRONMENT)

        yield run


def cold(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run the command as it is typed, in an interpreter of its own."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tidegate", *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )


def with_bad_cell(flowers: pd.DataFrame) -> str:
    lines = str(flowers.to_csv(index=False)).split("\n")
    lines[3] = lines[3].replace(lines[3].split(",")[1], "tall")
    return "\n".join(lines)


async def test_predict_writes_the_bytes_of_a_worker_in_every_format(
    endpoint: Endpoint, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for key, (write, _) in FILES.items():
        body = write(flowers)
        endpoint.submit(key, body)
        (tmp_path / "in" / key).write_bytes(body)
    ended = await endpoint.worker(WORKER_MODEL=str(model))
    assert ended.status == 0, ended.stderr

    ran = cold("predict", model, "in", "out", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    for key in FILES:
        assert (tmp_path / "out" / key).read_bytes() == endpoint.get(f"p/{key}"), key


def test_predict_sends_one_file_to_standard_output_and_all_else_to_standard_error(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    flowers.to_csv(tmp_path / "iris.csv", index=False)

    ran = tidegate("predict", model, "iris.csv", cwd=tmp_path)

    assert (ran.returncode, ran.stderr) == (0, b"")
    lines = ran.stdout.decode().splitlines()
    assert lines[0] == "id,prediction,activation_0,activation_1,activation_2"
    assert len(lines) == 1 + len(flowers)
    assert lines[1].startswith("0000,0,")


def test_predict_goes_on_after_a_file_that_fails_and_says_why(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.csv").write_text(BROKEN)
    flowers.to_csv(tmp_path / "in" / "good.csv", index=False)

    ran = tidegate("predict", model, "in", "--json", cwd=tmp_path)

    assert ran.returncode == 3
    broken, good = json.loads(ran.stdout)["files"]
    assert (broken["status"], broken["error_type"]) == ("failed", "SchemaMismatch")
    assert (good["status"], good["rows"]) == ("predicted", 150)
    assert "4 of the 4 model's columns" in ran.stderr.decode()
    assert (tmp_path / "predictions" / "good.csv").exists()
    assert not (tmp_path / "predictions" / "broken.csv").exists()


def test_predict_sets_bad_rows_aside_where_the_setting_allows_them(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "iris.csv").write_text(with_bad_cell(flowers))

    refused = tidegate("predict", model, "iris.csv", "out/", cwd=tmp_path)
    assert refused.returncode == 1
    assert "line 4" in refused.stderr.decode()

    masked = ["--set", "REPORT_VALUES=mask"]
    refused = tidegate("predict", model, "iris.csv", "out/", *masked, cwd=tmp_path)
    assert "line 4" in refused.stderr.decode()
    assert "tall" not in refused.stderr.decode()

    ran = tidegate("predict", model, "iris.csv", "out/", "--set", "max_rejected=0.1", cwd=tmp_path)
    assert ran.returncode == 3
    assert b"4," in (tmp_path / "out" / "iris.csv.rejected.csv").read_bytes()


def test_predict_refuses_to_replace_its_input(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    flowers.to_csv(tmp_path / "iris.csv", index=False)
    before = (tmp_path / "iris.csv").read_bytes()

    ran = tidegate("predict", model, "iris.csv", ".", cwd=tmp_path)

    assert ran.returncode == 1
    assert "would replace an input" in ran.stderr.decode()
    assert (tmp_path / "iris.csv").read_bytes() == before


@pytest.mark.parametrize(
    "mistake",
    [
        (1, ["none.pkl", "iris.csv"], "none.pkl"),
        (1, ["model.pkl", "none.csv"], "there is no file none.csv"),
        (2, ["model.pkl", "iris.csv", "--set", "MAX_REJECTD=1"], "mean WORKER_MAX_REJECTED?"),
        (2, ["model.pkl", "iris.csv", "--set", "MAX_REJECTED=7"], "WORKER_MAX_REJECTED"),
        (2, ["model.pkl", "iris.csv", "--set", "MAX_REJECTED"], "must be NAME=VALUE"),
        (1, ["model.pkl", "iris.csv", "--predictor", "none:make"], "none:make"),
    ],
)
def test_a_mistake_is_one_readable_error(
    tidegate: Tidegate,
    model: Path,
    flowers: pd.DataFrame,
    tmp_path: Path,
    mistake: tuple[int, list[str], str],
) -> None:
    status, arguments, reason = mistake
    (tmp_path / "model.pkl").write_bytes(model.read_bytes())
    flowers.to_csv(tmp_path / "iris.csv", index=False)

    for command in ("check", "predict"):
        ran = tidegate(command, *arguments, cwd=tmp_path)

        assert ran.returncode == status
        assert reason in ran.stderr.decode()
        assert "Traceback" not in ran.stderr.decode()
        assert ran.stdout == b""


def check(
    tidegate: Tidegate, model: Path, tmp_path: Path, *arguments: str
) -> tuple[int, dict[str, Any]]:
    ran = tidegate("check", model, *arguments, "--json", cwd=tmp_path)
    return ran.returncode, json.loads(ran.stdout)


def test_check_says_what_the_model_is_and_reads(
    tidegate: Tidegate, model: Path, tmp_path: Path
) -> None:
    status, found = check(tidegate, model, tmp_path)

    assert status == 0
    assert found["model"]["kind"] == "LogisticRegression"
    assert found["model"]["library"].startswith("scikit-learn ")
    assert [column["name"] for column in found["model"]["columns"]] == list(IRIS.data.columns)
    assert {column["type"] for column in found["model"]["columns"]} == {"number"}
    assert {column["missing"] for column in found["model"]["columns"]} == {"makes a bad row"}
    assert found["model"]["outputs"][0] == "prediction"
    assert found["task"]["memory_mib"] == 2048


def test_check_predicts_a_file_and_writes_nothing(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    flowers.to_csv(tmp_path / "iris.csv", index=False, sep=";")

    status, found = check(tidegate, model, tmp_path, "iris.csv")

    (file,) = found["files"]
    assert status == 0
    assert file["form"] == "CSV, delimiter ';', utf-8"
    assert (file["result"]["rows"], file["result"]["rejected"]) == (150, 0)
    assert file["predictions"][0][:2] == ["id", "prediction"]
    assert file["predictions"][1][:2] == ["0000", "0"]
    assert [path.name for path in tmp_path.iterdir()] == ["iris.csv"]


def test_check_names_bad_rows_and_how_to_set_them_aside(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "iris.csv").write_text(with_bad_cell(flowers))

    status, found = check(tidegate, model, tmp_path, "iris.csv")
    (file,) = found["files"]
    assert status == 3
    assert file["file_fails"] is True
    assert [row["line"] for row in file["bad_rows"]] == [4]
    assert "tall" in file["bad_rows"][0]["reason"]

    shown = tidegate("check", model, "iris.csv", cwd=tmp_path)
    assert shown.returncode == 3
    assert "--set MAX_REJECTED=0.01" in shown.stdout.decode()
    status, found = check(tidegate, model, tmp_path, "iris.csv", "--set", "MAX_REJECTED=0.01")
    assert (status, found["files"][0]["file_fails"]) == (3, False)


def test_check_says_why_a_file_cannot_be_predicted(
    tidegate: Tidegate, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.csv").write_text(BROKEN)

    ran = tidegate("check", model, "broken.csv", cwd=tmp_path)

    assert ran.returncode == 1
    assert "SchemaMismatch" in ran.stdout.decode()
    assert "4 of the 4 model's columns" in ran.stdout.decode()


def test_what_a_model_prints_is_not_among_the_data(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import os\n"
        "import pandas as pd\n"
        "class Own:\n"
        "    def predict(self, frame):\n"
        "        print('from python')\n"
        "        os.write(1, b'from below')\n"
        "        return pd.DataFrame({'prediction': frame['a'] * 2})\n"
        "def make(path):\n"
        "    return Own()\n"
    )
    (tmp_path / "weights.txt").write_text("2")
    (tmp_path / "in.csv").write_text("id,a\nx,21\n")

    ran = cold("predict", "weights.txt", "in.csv", "--predictor", "own:make", cwd=tmp_path)

    assert (ran.returncode, ran.stdout) == (0, b"id,prediction\nx,42\n"), ran.stderr
    assert b"from python" in ran.stderr
    assert b"from below" in ran.stderr


def test_check_writes_the_baseline_of_a_model_beside_it(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path
) -> None:
    flowers[:90].to_csv(tmp_path / "iris 1.csv", index=False)
    flowers[90:].to_csv(tmp_path / "iris 2.csv", index=False)
    beside = model.with_name("model.pkl.baseline.json")

    ran = tidegate("check", model, "iris 1.csv", "iris 2.csv", "--baseline", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert f"baseline: {beside}" in ran.stderr.decode().replace("\n", "")
    found = checked("baseline", beside.read_text())
    assert found["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (found["files"], found["rows"]) == (["iris 1.csv", "iris 2.csv"], 150)
    columns = found["predictions"]["columns"]
    assert list(columns) == ["prediction", "activation_0", "activation_1", "activation_2"]
    assert [one["count"] for one in columns.values()] == [150] * 4
    assert sum(one["mean"] for one in columns.values()) == pytest.approx(2, abs=0.02)
    assert Baseline.from_json(beside.read_bytes(), "").to_json() == beside.read_text()
    beside.unlink()


@pytest.mark.parametrize("names", [["iris.csv", "bad.csv"], []])
def test_check_writes_no_baseline_of_files_that_are_not_predicted(
    tidegate: Tidegate, model: Path, flowers: pd.DataFrame, tmp_path: Path, names: list[str]
) -> None:
    flowers.to_csv(tmp_path / "iris.csv", index=False)
    (tmp_path / "bad.csv").write_text(with_bad_cell(flowers))

    ran = tidegate("check", model, *names, "--baseline", cwd=tmp_path)

    assert ran.returncode == 1
    assert "no baseline is written: " in " ".join(ran.stderr.decode().split())
    assert not model.with_name("model.pkl.baseline.json").exists()

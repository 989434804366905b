"""A new user's walk: `tidegate cloud` with an own model and own files, one of them broken."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tests.support.waiting import eventually
from tests.support.wheels import only, write_locked, write_wheel
from tidegate.image.environment import environment_of
from tidegate.image.lock import lock
from tidegate.image.source import ImageSource
from tidegate.localcloud.cloud import CHECKOUT, Cloud

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import KeyValuePairTypeDef

FILES = 20
RESULT = r"[✓✗] .+\.csv: "
NOTICE = "• notice: tidegate: new kind of failure, SchemaMismatch-"
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
    elsewhere = "OUTPUT_TEMPLATE=of/{version_id}/{key}"
    own = ["--model", "rule.json", "--predictor", "own:Rule"]
    return [*own, "--set", elsewhere, "--notices"]


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


def until(process: "subprocess.Popen[str]", count: int, mark: str = RESULT) -> list[str]:
    """Read lines until that many results, or others with that mark, have come; return these."""
    assert process.stdout is not None
    results, others = list[str](), list[str]()
    for line in process.stdout:
        shown = line.strip()
        (results if re.match(mark, shown) else others).append(shown)
        if len(results) == count:
            return results
    raise AssertionError("\n".join(others + results))


def printed_exports(process: "subprocess.Popen[str]") -> str:
    """Read the lines that make another terminal use the cloud, and the folder of its logs."""
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        if line.startswith(("export ", "aws() ")):
            lines.append(line)
        if line.startswith("  Logs are in "):
            return "".join([*lines, f"FOLDER={line.split()[3].removesuffix('.')}\n"])
    raise AssertionError(lines)


def typed(exports: str, commands: str) -> str:
    """Run commands in another terminal, whose own AWS configuration is of no use."""
    ran = subprocess.run(  # noqa: S603 - our own commands
        ["/bin/sh", "-ec", exports + commands],
        check=False,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": "/nowhere",
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("model", [light, rule])
def test_own_files_are_predicted_by_an_own_model_and_a_mended_one_too(
    tmp_path: Path, model: Callable[[Path], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = model(tmp_path)
    folder = own_files(tmp_path)

    with cloud(tmp_path, arguments) as process:
        until_all_are_shown(process, notices=int("--notices" in arguments))
        ROWS.to_csv(folder / "broken.csv", index=False)
        (mended,) = until(process, 1)
        where = "predictions" if model is light else "of/.+"
        assert re.fullmatch(rf"✓ broken\.csv: 200 rows → {where}/broken\.csv", mended)
    if model is light:  # the check of the model, and the worker
        ran = (tmp_path / "ran").read_text().split()
        assert ran[:2] == ["tidegate.offline.loading", "worker"]


def own_files(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(FILES - 1):
        ROWS.iloc[number : number + 10].to_csv(folder / f"{number:02}.csv", index=False)
    ROWS.drop(columns="spent").to_csv(folder / "broken.csv", index=False)
    return folder


def until_all_are_shown(process: "subprocess.Popen[str]", notices: int = 0) -> None:
    """Read the results of all files, among which the notice of a failure may come."""
    shown = until(process, FILES + notices, mark=f"{RESULT}|{NOTICE}")
    (failed,) = [line for line in shown if line.startswith("✗")]
    assert failed.startswith("✗ broken.csv: SchemaMismatch: 1 of the 2 model's columns")
    assert len([line for line in shown if re.match(NOTICE, line)]) == notices


# Typed in another terminal.
UPDATE = """
aws cloudformation deploy --template-file "$FOLDER/packaged.yaml" --stack-name tidegate \
  --s3-bucket tidegate-artifacts --capabilities CAPABILITY_IAM \
  --parameter-overrides WorkerSettings=MAX_REJECTED=0.9
"""
REDRIVE = """
queues=arn:aws:sqs:us-east-1:000000000000:tidegate
aws sqs start-message-move-task --source-arn $queues-dead-letters --destination-arn $queues-jobs
"""


def quick_start() -> str:
    """Return the commands of the page on a worker against a queue of one's own."""
    blocks = (CHECKOUT / "docs" / "own-queue.md").read_text().split("```")
    (block,) = (block for block in blocks if "aws sqs create-queue" in block)
    return block


def ecs_of(exports: str) -> "ECSClient":
    url = exports.partition("AWS_ENDPOINT_URL=")[2].splitlines()[0]
    client: ECSClient = Cloud(url, 0, Path()).client("ecs")
    return client


def stop_workers(ecs: "ECSClient") -> None:
    """Stop the workers, which keep the settings with which they were started."""
    arns = ecs.list_tasks(cluster="tidegate")["taskArns"]
    for arn in arns:
        ecs.stop_task(cluster="tidegate", task=arn)
    eventually(
        lambda: all(
            task["lastStatus"] == "STOPPED"
            for task in ecs.describe_tasks(cluster="tidegate", tasks=arns)["tasks"]
        )
    )


def run_without_queue(ecs: "ECSClient") -> None:
    environment: list[KeyValuePairTypeDef] = [{"name": "WORKER_QUEUE", "value": "none"}]
    ecs.run_task(
        cluster="tidegate",
        taskDefinition="tidegate-worker",
        overrides={"containerOverrides": [{"name": "worker", "environment": environment}]},
    )


def test_the_running_cloud_takes_an_update_a_redrive_and_a_task_that_fails(tmp_path: Path) -> None:
    arguments = boosting(tmp_path)
    folder = own_files(tmp_path)

    with cloud(tmp_path, arguments) as process:
        exports = printed_exports(process)
        until_all_are_shown(process)
        (folder / "odd.csv").write_text(ROWS.to_csv(index=False) + "x,much,1.0\n")
        odd = "✓ odd.csv: 200 rows, 1 rejected → predictions/odd.csv"
        assert until(process, 1) == [odd]  # the stack has the worker's settings
        (folder / "odd.csv").write_text(ROWS[:1].to_csv(index=False) + "x,much,1.0\n" * 4)
        (failed,) = until(process, 1)
        assert failed.startswith("✗ odd.csv: TooManyRejected: ")

        typed(exports, UPDATE)
        stop_workers(ecs_of(exports))
        typed(exports, REDRIVE)
        ROWS.to_csv(folder / "more.csv", index=False)  # its dispatch starts a worker for both
        assert sorted(until(process, 2)) == [
            "✓ more.csv: 200 rows → predictions/more.csv",
            "✓ odd.csv: 1 rows, 4 rejected → predictions/odd.csv",
        ]

        ROWS[:2].to_csv(tmp_path / "new-houses.csv", index=False)
        *_, head, first, second = typed(exports, f"cd {tmp_path}\n{quick_start()}").splitlines()
        assert head == "id,activation"
        assert (first[:6], second[:6]) == ("00000,", "00001,")

        run_without_queue(ecs_of(exports))
        (failed,) = until(process, 1, mark="✗ .+ of tidegate: ")
        assert "exit code 1: worker failed: " in failed
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT

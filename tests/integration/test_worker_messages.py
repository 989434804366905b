"""Messages of a run, with settings of their own, through a worker process."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.support.scenario import Endpoint
from tidegate.operating.log_lines import Line
from tidegate.report.work import sum_up

PREDICTOR = """
import pandas as pd


class Zero:
    def predict(self, frame):
        return pd.DataFrame({"prediction": [0] * len(frame)})


def factory(path):
    return Zero()
"""
BODY = b"id,x\n1,2\n"


async def test_each_message_of_a_run_has_its_own_settings_and_names_its_run(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "zero.py").write_text(PREDICTOR)
    (tmp_path / "model.bin").write_bytes(b"\0")
    settings = {"KEEP_COLUMNS": "*", "OUTPUT_FORMAT": "jsonl"}
    messages = {
        "changed.csv": {"run": "r1", "settings": settings},
        "plain.csv": {},
        "refused.csv": {"run": "r2", "settings": {"PREDICTOR": "os:abort"}},
    }
    for key, more in messages.items():
        endpoint.s3.put_object(Bucket=endpoint.input, Key=key, Body=BODY)
        body = json.dumps(endpoint.job(key) | more)
        endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody=body, MessageGroupId="r")
    ended = await endpoint.worker(
        PYTHONPATH=str(tmp_path),
        WORKER_MODEL=str(tmp_path / "model.bin"),
        WORKER_PREDICTOR="zero:factory",
        WORKER_CONCURRENCY="1",
    )
    assert ended.status == 0, ended.stderr
    assert json.loads(endpoint.get("p/changed.csv.jsonl")) == {"id": "1", "x": "2", "prediction": 0}
    assert endpoint.get("p/plain.csv") == b"id,prediction\n1,0\n"
    assert endpoint.keys() == {
        "p/changed.csv.jsonl",
        "p/plain.csv",
        "p/_failed/refused.csv.json",
    }
    head = endpoint.s3.head_object(Bucket=endpoint.output, Key="p/changed.csv.jsonl")
    assert head["Metadata"]["run"] == "r1"
    report = json.loads(endpoint.get("p/_failed/refused.csv.json"))
    assert (report["run"], report["error_type"]) == ("r2", "SettingsRefused")
    (dead,) = endpoint.sqs.receive_message(
        QueueUrl=endpoint.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    assert dead["MessageAttributes"]["run"]["StringValue"] == "r2"
    assert endpoint.left(endpoint.queue) == 0
    logged = [json.loads(line) for line in ended.stderr.splitlines() if "job done" in line]
    summaries = {line["input"].rpartition("/")[2]: line.get("predictions") for line in logged}
    zero = {"count": 1, "min": 0.0, "max": 0.0, "mean": 0.0, "scale": -20, "first": 0, "bins": "1"}
    assert summaries == {
        "changed.csv": {"columns": {"prediction": zero}},  # of a run, whose report shows it
        "plain.csv": None,
    }


async def test_a_message_that_comes_twice_has_its_predictions_in_the_log_once(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "zero.py").write_text(PREDICTOR)
    (tmp_path / "model.bin").write_bytes(b"\0")
    endpoint.s3.put_object(Bucket=endpoint.input, Key="a.csv", Body=BODY)
    for again in (False, False, True, True):
        body = json.dumps(endpoint.job("a.csv") | {"run": "r1", "again": again})
        endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody=body, MessageGroupId="r")
    ended = await endpoint.worker(
        PYTHONPATH=str(tmp_path),
        WORKER_MODEL=str(tmp_path / "model.bin"),
        WORKER_PREDICTOR="zero:factory",
        WORKER_CONCURRENCY="1",
    )
    assert ended.status == 0, ended.stderr

    now = datetime.now(UTC)
    logged = [json.loads(line) for line in ended.stderr.splitlines() if "job done" in line]
    lines = [Line(now, f"{at}", "worker", "", fields) for at, fields in enumerate(logged)]
    found = sum_up(lines, "r1", now, now)

    assert sorted("predictions" in fields for fields in logged) == [False, True, True, True]
    (summary,) = found.predictions.values()
    assert [one.count for one in summary.columns.values()] == [1]

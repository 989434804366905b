"""Messages of a run, with settings of their own, through a worker process."""

import json
from pathlib import Path

from tests.support.scenario import Endpoint

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

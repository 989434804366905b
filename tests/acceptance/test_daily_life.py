"""From a broken batch to all predicted, by the commands that people type, on a running stack."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dispatcher.handler import PAUSED_TAG
from tests.support.iam.user import user
from tests.support.screens import too_long
from tests.support.template import ROOT
from tests.support.typed import Terminal
from tests.support.waiting import eventually
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.stack import NAME
from tidegate.localcloud.stack_client import output_key, report_key
from tidegate.localcloud.system import System
from tidegate.operating import queues

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PAGE = ROOT / "docs" / "daily-life.md"
HEADER = b"id,sepal_length,sepal_width,petal_length,petal_width\n"
GOOD = HEADER + b"0150,5.9,3.0,5.1,1.8\n"
BROKEN = {
    "daily/no petals.csv": b"id,sepal_length\n0150,5.9\n",
    "daily/words.csv": HEADER + b"0150,long,3.0,5.1,1.8\n",
    "daily/workbook.csv": b"PK\x03\x04" + bytes(100),
}
TYPES = {"SchemaMismatch", "TooManyRejected", "Unparsable"}


@pytest.fixture
def terminal(system: System, operator: Terminal) -> Iterator[Terminal]:
    yield operator
    sqs: SQSClient = system.cloud.client("sqs")
    sqs.untag_queue(QueueUrl=system.stack.queue_url, TagKeys=[PAUSED_TAG])


def upload(system: System, key: str, content: bytes) -> None:
    s3: S3Client = system.cloud.client("s3")
    s3.put_object(Bucket=system.stack.input_bucket, Key=key, Body=content)


def written(system: System, *keys: str) -> bool:
    s3: S3Client = system.cloud.client("s3")
    found = s3.list_objects_v2(Bucket=system.stack.output_bucket).get("Contents", [])
    return set(keys) <= {one["Key"] for one in found}


def test_a_broken_batch_is_brought_to_all_good(
    system: System, commands: WarmCommands, terminal: Terminal
) -> None:
    keys = list(BROKEN)
    for key, content in {**BROKEN, "daily/good.csv": GOOD}.items():
        upload(system, key, content)
    reports = [report_key(key) for key in keys]
    eventually(lambda: written(system, *reports, output_key("daily/good.csv")))

    # What failed, and why?
    found = terminal.read("failures", *keys)
    assert {group["error_type"] for group in found["groups"]} == TYPES
    assert all(one["dead_letters"] == 1 for group in found["groups"] for one in group["files"])
    assert terminal.run("failures", *keys).returncode == 3
    with user(system.cloud, NAME, ("read",)) as who:  # who may not act
        refused = Terminal(system, commands, who).run("redrive", *keys, "--yes")
        assert refused.returncode == 1
        assert "perform: sqs:SendMessage" in refused.stderr
    story = terminal.run("show", keys[0])
    assert story.returncode == 3
    assert "SchemaMismatch" in story.stdout
    for columns in (40, 80):
        for command in ("status", "failures"):
            lines = terminal.screen(columns, command)
            assert len(lines) > 5
            assert too_long(lines, columns) == []

    # Mended while nothing runs: two are submitted again, the third one's own event does it.
    terminal.pause_now()
    for key in keys:
        upload(system, key, GOOD)
    redriven = terminal.run("redrive", *keys[:2], "--yes")
    assert redriven.returncode == 0, redriven.stderr
    assert "2 files submitted" in redriven.stderr
    assert "paused" in redriven.stderr
    assert not written(system, *reports[:2])
    assert terminal.read("status")["state"] == "paused"
    assert terminal.run("resume").returncode == 0
    followed = terminal.run("logs", "-f")
    assert followed.returncode == 0
    assert "no worker runs, and the queue is empty" in followed.stderr

    # All good.
    for key in keys:
        assert f"job done  s3://{system.stack.input_bucket}/{key}" in followed.stdout
        assert terminal.read("show", key)["state"] == "predicted"
    resolved = terminal.read("failures", keys[2])
    assert (resolved["failed"], resolved["resolved"]) == (0, 1)
    assert terminal.run("failures", keys[2], "--clear", "--yes").returncode == 0
    left = json.dumps(terminal.read("failures"))
    assert not any(key in left for key in keys)


def test_what_sqs_has_given_up_by_itself_is_moved_back_by_sqs(
    system: System, terminal: Terminal
) -> None:
    sqs: SQSClient = system.cloud.client("sqs")
    jobs, dead = system.stack.queue_url, system.stack.dead_letter_queue_url
    sqs.purge_queue(QueueUrl=dead)
    terminal.pause_now()
    upload(system, "daily/killed.csv", GOOD)

    def is_dead() -> bool:  # as if each worker that receives it were killed
        sqs.receive_message(QueueUrl=jobs, VisibilityTimeout=0)
        return queues.count(sqs, dead).all == 1

    eventually(is_dead)
    moved = terminal.run("redrive", "--all", "--yes")
    assert moved.returncode == 0
    assert "SQS has moved 1 dead letter back to the queue" in moved.stderr, moved.stderr
    assert terminal.run("resume").returncode == 0
    eventually(lambda: written(system, output_key("daily/killed.csv")))


def test_the_next_system_is_told_of_each_prediction(system: System, tmp_path: Path) -> None:
    sqs: SQSClient = system.cloud.client("sqs")
    url = sqs.create_queue(QueueName="next-system")["QueueUrl"]
    names = {"OUTPUT": system.stack.output_bucket, "NEXT": queues.arn(sqs, url)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (block,) = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    subprocess.run(  # noqa: S603 - the page's own
        ["/bin/sh", "-e", "-c", block],
        check=True,
        cwd=tmp_path,
        env={**system.cloud.environment(), "PATH": path, **names},
    )
    s3: S3Client = system.cloud.client("s3")
    for key in (report_key("daily/told.csv"), output_key("daily/told.csv")):  # as workers do
        s3.put_object(Bucket=names["OUTPUT"], Key=key, Body=b"")

    def told() -> list[str]:
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
        return [json.loads(one["Body"])["detail"]["object"]["key"] for one in found]

    assert eventually(told) == [output_key("daily/told.csv")]
    for key in (report_key("daily/told.csv"), output_key("daily/told.csv")):
        s3.delete_object(Bucket=names["OUTPUT"], Key=key)
    s3.put_bucket_notification_configuration(
        Bucket=system.stack.output_bucket, NotificationConfiguration={}
    )

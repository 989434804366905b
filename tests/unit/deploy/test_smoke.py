"""The first file through a stack: its prediction is seen, or the reason why there is none."""

import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.cloudformation import refusal
from tests.support.fakes.deploying import REGION, Surroundings
from tidegate.aws.stack import DeployedStack, describe
from tidegate.deploy.proof.sample import sample_csv
from tidegate.deploy.proof.smoke import Smoke, SmokeTest

INPUT, OUTPUT = (f"tide-{kind}-123456789012-{REGION}" for kind in ("input", "output"))
Keys = list[str]


class Road:
    """A stack, and what lies in its buckets; `meanwhile` runs at each pause."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.s3 = around.account.client("s3")
        self.around.bring_up(around.cloudformation.add("tide", "CREATE_COMPLETE"))
        for bucket in (INPUT, OUTPUT):
            self.s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        logs = around.account.client("logs")
        logs.create_log_group(logGroupName="/dispatcher")
        self.meanwhile: Callable[[], None] = lambda: None
        self.uploaded: Keys = []

    def stack(self, **parameters: str) -> DeployedStack:
        faked = self.around.cloudformation.stacks["tide"]
        faked.parameters |= parameters
        faked.outputs |= {
            "DispatcherLogGroup": "/dispatcher",
            "WorkerLogGroup": "/worker",
            "TaskDefinition": "tide-worker:1",
        }
        stack = describe(self.around.account, "tide")
        assert stack is not None
        return stack

    def run(self, **parameters: str) -> Smoke:
        return SmokeTest(
            self.around.account, self.stack(**parameters), self.around.screen, self.pause, 12
        ).run("rows.csv", b"a,b\n1,2\n")

    def pause(self, _: float) -> None:
        self.uploaded = self.uploaded or self.keys(INPUT)
        self.meanwhile()

    def keys(self, bucket: str) -> Keys:
        listed = self.s3.list_object_versions(Bucket=bucket)
        return [one["Key"] for one in listed.get("Versions", [])]

    def write(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=OUTPUT, Key=key, Body=body)


@pytest.fixture
def road(around: Surroundings) -> Road:
    return Road(around)


def test_the_prediction_is_shown_and_nothing_of_the_file_stays(road: Road) -> None:
    road.meanwhile = lambda: road.write(f"predictions/{road.uploaded[0]}", b"a,prediction\n1,3\n")

    smoke = road.run()

    assert smoke.predicted == "a,prediction\n1,3\n"
    assert road.uploaded[0].startswith("_smoke/")
    assert (road.keys(INPUT), road.keys(OUTPUT)) == ([], [])


def test_the_file_lies_below_the_prefix_and_the_output_where_the_settings_say(road: Road) -> None:
    road.meanwhile = lambda: road.write(f"{road.uploaded[0]}.out.parquet", b"PAR1")

    smoke = road.run(
        InputPrefix="in/",
        WorkerSettings="OUTPUT_TEMPLATE='{key}.out' OUTPUT_FORMAT=parquet",
    )

    assert road.uploaded[0].startswith("in/_smoke/")
    assert smoke.predicted == "PAR1"
    assert road.keys(OUTPUT) == []


def test_a_failure_report_is_quoted_and_removed(road: Road) -> None:
    report = json.dumps({"error_type": "SchemaMismatch", "message": "'petal' is not in the file"})
    road.meanwhile = lambda: road.write(
        f"predictions/_failed/{road.uploaded[0]}.json", report.encode()
    )

    smoke = road.run()

    assert smoke == Smoke(None, "SchemaMismatch: 'petal' is not in the file")
    assert road.keys(OUTPUT) == []


def test_without_a_worker_the_dispatchers_refusal_is_quoted(road: Road) -> None:
    logs = road.around.account.client("logs")
    logs.create_log_stream(logGroupName="/dispatcher", logStreamName="one")
    line = json.dumps({"decision": "start refused", "why": "AccessDenied: iam:PassRole"})
    logs.put_log_events(
        logGroupName="/dispatcher",
        logStreamName="one",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": line}],
    )

    smoke = road.run()

    assert smoke.predicted is None
    assert "AWS refused to start a worker: AccessDenied: iam:PassRole" in smoke.reason
    assert road.keys(INPUT) == []


def test_without_a_worker_and_a_reason_the_dispatchers_log_is_named(road: Road) -> None:
    assert "`aws logs tail /dispatcher`" in road.run().reason


def test_the_reason_of_a_stopped_worker_is_quoted(road: Road) -> None:
    class Ecs:
        def list_tasks(self, *, cluster: str, desiredStatus: str) -> dict[str, Any]:  # noqa: N803
            assert cluster == "tide"
            return {"taskArns": ["one"] if desiredStatus == "STOPPED" else []}

        def describe_tasks(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401
            why = "CannotPullContainerError: not found"
            task = {"stoppedReason": "Task failed to start", "containers": [{"reason": why}]}
            return {"tasks": [task]}

    clients = road.around.account._clients
    real, clients["ecs"] = clients["ecs"], Ecs()
    try:
        reason = road.run().reason
    finally:
        clients["ecs"] = real

    assert "Task failed to start; CannotPullContainerError: not found" in reason
    assert "`aws logs tail /worker`" in reason


def test_what_cannot_be_removed_is_said_and_spoils_nothing(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: object) -> None:
        raise refusal("AccessDenied", "not authorized to perform: s3:ListBucketVersions")

    def predict(_: float) -> None:
        (found,) = road.s3.list_objects_v2(Bucket=INPUT)["Contents"]
        road.write(f"predictions/{found['Key']}", b"a\n")

    monkeypatch.setattr(road.s3, "list_object_versions", denied)
    road.pause = predict  # type: ignore[method-assign]

    assert road.run().predicted == "a\n"
    assert "could not be removed" in road.around.screen.text


def test_made_up_rows_have_the_models_columns_and_categories() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "area", "type": "number", "categories": None},
        {"name": "rooms", "type": "whole number", "categories": None},
        {"name": "row", "type": "any", "categories": None},
        {"name": "town, part", "type": "category", "categories": ["Jena", "Ulm"]},
        {"name": "sold", "type": "true or false", "categories": None},
        {"name": "note", "type": "text", "categories": None},
        {"name": "unused", "type": "not read", "categories": None},
    ]

    header, *rows = csv.reader(io.StringIO(sample_csv(columns)))

    assert header == ["row_id", "area", "rooms", "row", "town, part", "sold", "note", "unused"]
    assert rows == [
        ["1", "1.5", "1", "1", "Ulm", "True", "text", ""],
        ["2", "1.5", "2", "2", "Jena", "True", "text", ""],
    ]

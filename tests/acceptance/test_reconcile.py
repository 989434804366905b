"""Files whose events were lost: the nightly reconcile finds them alone, and they are predicted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.waiting import eventually
from tidegate.localcloud.stack import ARTIFACTS
from tidegate.localcloud.system import System

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, STACK = "meadow", "nightly"
HEADER = b"id,sepal_length,sepal_width,petal_length,petal_width\n"
FLOWER, OTHER_FLOWER, NO_FLOWER = HEADER + b"1,5,3,1,0\n", HEADER + b"1,6,3,6,2\n", b"id\n1\n"
PARTS = 8  # one for each key below in/, and one that finds no further key

Json = dict[str, Any]


@contextmanager
def deployed(system: System) -> Iterator[None]:
    """Deploy the template of the session's stack once more, for a bucket for input and output."""
    client, s3 = system.cloud.client("cloudformation"), system.cloud.client("s3")
    packaged = (system.cloud.folder / "packaged.yaml").read_bytes()
    s3.put_object(Bucket=ARTIFACTS, Key=f"{STACK}.yaml", Body=packaged)
    parameters = {
        "Model": f"s3://{ARTIFACTS}/model.pkl",
        "Image": "example.org/worker:1",
        "IdleSeconds": "1",
        "MaxTasks": "1",
        "InputBucket": BUCKET,
        "InputPrefix": "in/",
        "Suffixes": ".csv",
        "OutputBucket": BUCKET,
        "OutputKey": "in/out",
        "Reconcile": "NIGHTLY",
    }
    client.create_stack(
        StackName=STACK,
        TemplateURL=f"{system.cloud.url}/{ARTIFACTS}/{STACK}.yaml",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    try:
        yield
    finally:
        client.delete_stack(StackName=STACK)
        client.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


class Nights:
    """Invokes the stack's functions as their rules do, and reads what the reconciler logs."""

    def __init__(self, system: System) -> None:
        self._functions = system.cloud.client("lambda")
        self._logs = system.cloud.client("logs")
        self._sqs = system.cloud.client("sqs")
        self._ended = 0

    def pass_one(self) -> Json:
        """Let a night pass, in two hours from now; return how it ended."""
        eventually(self._is_queue_empty)
        time = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "time": time}
        self._invoke(f"{STACK}-reconciler", event)
        ended = eventually(lambda: self._reconciled()[self._ended :])[-1]
        self._ended += 1
        self._invoke(f"{STACK}-dispatcher", event)  # the sweep
        return ended

    def in_short_invocations(self) -> None:
        """Leave each invocation no time for a second input."""
        self._functions.update_function_configuration(
            FunctionName=f"{STACK}-reconciler", Timeout=60
        )

    def _is_queue_empty(self) -> bool:
        url = self._sqs.get_queue_url(QueueName=f"{STACK}-jobs")["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        number = "ApproximateNumberOfMessages"
        return all(found[number + kind] == "0" for kind in ("", "NotVisible"))

    def _invoke(self, function: str, event: Json) -> None:
        answer = self._functions.invoke(FunctionName=function, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()

    def _reconciled(self) -> list[Json]:
        found = self._logs.filter_log_events(logGroupName=f"/aws/lambda/{STACK}-reconciler")
        lines = [one["message"] for one in found["events"] if '"decision"' in one["message"]]
        decisions = [json.loads(line) for line in lines]
        return [one for one in decisions if one["decision"] == "reconciled"]


def written(s3: "S3Client", prefix: str) -> dict[str, datetime]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    # The local cloud lists fractions of a second, and S3 lists none.
    return {
        one["Key"].removeprefix(prefix): one["LastModified"].replace(microsecond=0) for one in found
    }


def overwrite(s3: "S3Client", key: str, content: bytes) -> None:
    """Overwrite an input, and again until it is newer than its output by S3's whole seconds."""

    def is_newer() -> bool:
        s3.put_object(Bucket=BUCKET, Key=f"in/{key}", Body=content)
        return written(s3, "in/")[key] > written(s3, "in/out/in/")[key]

    eventually(is_newer)


def test_files_whose_events_were_lost_are_found_and_predicted_and_no_other_ones(
    system: System,
) -> None:
    s3: S3Client = system.cloud.client("s3")
    nights = Nights(system)
    s3.create_bucket(Bucket=BUCKET)
    with deployed(system):
        wire(s3, events=True)
        for key in ("seen.csv", "changed.csv", "same-bytes.csv"):
            s3.put_object(Bucket=BUCKET, Key=f"in/{key}", Body=FLOWER)
        s3.put_object(Bucket=BUCKET, Key="in/failed.csv", Body=NO_FLOWER)
        eventually(lambda: len(written(s3, "in/out/in/")) == 3)
        eventually(lambda: "failed.csv.json" in written(s3, "in/out/_failed/in/"))

        wire(s3, events=False)
        s3.put_object(Bucket=BUCKET, Key="in/lost.csv", Body=FLOWER)
        s3.put_object(Bucket=BUCKET, Key="in/lost-and-bad.csv", Body=NO_FLOWER)
        s3.put_object(Bucket=BUCKET, Key="in/_SUCCESS", Body=b"")
        overwrite(s3, "changed.csv", OTHER_FLOWER)
        overwrite(s3, "same-bytes.csv", FLOWER)
        before = written(s3, "in/out/")

        nights.in_short_invocations()
        ended = nights.pass_one()
        assert ended == ended | {
            "parts": PARTS,
            "looked_at": PARTS - 1,
            "submitted": 4,
            "changed": 2,
            "with_result": 2,
            "other_suffix": 1,
            "left_off_at": None,
        }
        eventually(lambda: "in/lost.csv" in written(s3, "in/out/"))
        eventually(lambda: "_failed/in/lost-and-bad.csv.json" in written(s3, "in/out/"))
        for key in ("in/changed.csv", "in/same-bytes.csv"):
            eventually(lambda key=key: written(s3, "in/out/")[key] > before[key])  # type: ignore[misc]
        after = written(s3, "in/out/")
        for key in ("in/seen.csv", "_failed/in/failed.csv.json"):
            assert after[key] == before[key]
        output = s3.get_object(Bucket=BUCKET, Key="in/out/in/changed.csv")["Body"].read()
        assert (
            output.splitlines()[1]
            != s3.get_object(Bucket=BUCKET, Key="in/out/in/seen.csv")["Body"].read().splitlines()[1]
        )

        # The next night finds nothing.
        ended = nights.pass_one()
        assert (ended["submitted"], ended["with_result"]) == (0, 6)


def wire(s3: "S3Client", *, events: bool) -> None:
    """Let the bucket send its events to EventBridge, or to nobody."""
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}} if events else {}
    )

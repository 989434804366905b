"""What became of a prefix, by listings and by questions to S3, and the messages for the rest."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from tidegate.aws.listing import list_objects
from tidegate.runs.join import Found, find
from tidegate.runs.layout import Layout
from tidegate.runs.messages import Sender, Submission
from tidegate.runs.states import Inquiry, State, listed_state
from worker.job import Job, S3Uri
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

INPUT, OUTPUT = "inputs", "outputs"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODEL, OTHER_MODEL = "a" * 64, "b" * 64
PAGE_KEYS = 7


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple["S3Client", "SQSClient"]]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield boto3.client("s3"), boto3.client("sqs")


@pytest.fixture
def s3(clients: tuple["S3Client", "SQSClient"]) -> "S3Client":
    """S3 with two empty buckets."""
    client, _ = clients
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    for bucket in (INPUT, OUTPUT):
        client.create_bucket(Bucket=bucket)
    return client


def put(s3: "S3Client", bucket: str, key: str, body: bytes, second: int, **metadata: str) -> str:
    """Write an object at a second after noon; returns its ETag."""
    answer = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    stored: Any = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys[key]
    stored.last_modified = (NOON + timedelta(seconds=second)).replace(tzinfo=None)
    return answer["ETag"].strip('"')


def put_input(s3: "S3Client", key: str, body: bytes = b"new", second: int = 0) -> str:
    return put(s3, INPUT, key, body, second)


def put_output(
    s3: "S3Client", layout: Layout, key: str, etag: str, second: int, *, model: str = MODEL
) -> None:
    version = InputVersion(S3Uri(INPUT, key), etag, None, None)
    metadata = version.metadata() | {"model-sha256": model}
    put(s3, OUTPUT, layout.outputs[-1].of(key), b"predictions", second, **metadata)


def put_report(
    s3: "S3Client", layout: Layout, key: str, etag: str, second: int, *, model: str = MODEL
) -> None:
    error = {"error_type": "Unparsable", "message": "not a table"}
    report = {"source": {"etag": etag}, "model": {"sha256": model}, **error}
    job = Job(bucket=INPUT, key=key, output_bucket=OUTPUT, output_key=layout.output_key)
    put(s3, OUTPUT, layout.report_key(job), json.dumps(report).encode(), second)


def joined(s3: "S3Client", layout: Layout, prefix: str = "") -> list[Found]:
    return list(find(s3, INPUT, prefix, layout, page_keys=PAGE_KEYS))


def states(s3: "S3Client", layout: Layout) -> Mapping[str, tuple[State, State]]:
    """The state of each input, by the listings and by asking."""
    inquiry = Inquiry(s3, INPUT, layout, MODEL)
    return {one.source.key: (listed_state(one), inquiry.state(one)) for one in joined(s3, layout)}


def test_hundreds_of_inputs_are_told_apart_by_their_listings(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p", "csv")
    for number in range(200):
        key = f"{number % 3}/{number}"
        etag = put_input(s3, key)
        match number % 4:
            case 0:
                put_output(s3, layout, key, etag, 9)
            case 1:
                put_output(s3, layout, key, "older", -9)
            case 2:
                put_report(s3, layout, key, etag, 9)
    put(s3, OUTPUT, "p/_runs/r1/summary.json", b"{}", 9)
    put(s3, OUTPUT, "p/0/0.csv.rejected.csv", b"", 9)
    found = joined(s3, layout)
    assert Counter(map(listed_state, found)) == {
        State.PREDICTED: 50,
        State.STALE: 50,
        State.FAILED: 50,
        State.MISSING: 50,
    }
    inquiry = Inquiry(s3, INPUT, layout, MODEL)
    assert all(listed_state(one) is inquiry.state(one) for one in found[::15])
    assert len(joined(s3, layout, "1/")) == 67


def test_folders_and_the_outputs_in_the_same_bucket_are_no_inputs(s3: "S3Client") -> None:
    for key in ("a", "b/", "b/c", "p/a", "p/_failed/b/c.json"):
        put(s3, INPUT, key, b"", 0)
    found = list(find(s3, INPUT, "", Layout(INPUT, "p")))
    assert [(one.source.key, one.output is not None, one.report is not None) for one in found] == [
        ("a", True, False),
        ("b/c", False, True),
    ]


def test_a_folder_that_is_skipped_costs_one_call(s3: "S3Client") -> None:
    for key in ["a", *(f"b/{number}" for number in range(10 * PAGE_KEYS)), "c"]:
        put(s3, OUTPUT, key, b"", 0)
    calls: list[object] = []
    s3.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: calls.append(None))
    listed = list_objects(s3, OUTPUT, "", skipped=["b/"], page_keys=PAGE_KEYS)
    assert [one.key for one in listed] == ["a", "c"]
    assert len(calls) == 2


def test_keys_of_any_characters_are_listed_as_they_are(s3: "S3Client") -> None:
    keys = ["a b+c%20.csv", "a\x01", "é", "\uff5e", "\U0001f30a", "<&>"]
    for key in keys:
        put_input(s3, key)
    assert [one.key for one in list_objects(s3, INPUT, "")] == sorted(keys)


@pytest.mark.parametrize(("model", "state"), [(MODEL, State.PREDICTED), (OTHER_MODEL, State.STALE)])
def test_in_doubt_the_output_says_its_version_and_its_model(
    s3: "S3Client", model: str, state: State
) -> None:
    layout = Layout(OUTPUT, "p")
    put_output(s3, layout, "a", put_input(s3, "a"), 0, model=model)
    assert states(s3, layout) == {"a": (State.UNSURE, state)}


def test_bytes_that_were_uploaded_again_are_predicted_already(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p")
    put_output(s3, layout, "a", put_input(s3, "a", second=5), 2)
    assert states(s3, layout) == {"a": (State.STALE, State.PREDICTED)}


def test_of_output_and_report_of_one_version_the_later_one_counts(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p")
    for key, report_at in (("resolved", 1), ("failed again", 9)):
        etag = put_input(s3, key)
        put_output(s3, layout, key, etag, 5)
        put_report(s3, layout, key, etag, report_at)
    assert states(s3, layout) == {
        "failed again": (State.FAILED, State.FAILED),
        "resolved": (State.PREDICTED, State.PREDICTED),
    }


def test_another_models_failure_is_no_failure_of_this_one(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p")
    etag = put_input(s3, "a")
    put_output(s3, layout, "a", etag, 5)
    put_report(s3, layout, "a", etag, 9, model=OTHER_MODEL)
    assert states(s3, layout) == {"a": (State.FAILED, State.PREDICTED)}


def test_the_output_of_another_input_is_found_out(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p", "csv")
    put_input(s3, "a")
    etag = put_input(s3, "a.csv")
    version = InputVersion(S3Uri(INPUT, "a.csv"), etag, None, None)
    put(s3, OUTPUT, "p/a.csv", b"", 9, **version.metadata(), **{"model-sha256": MODEL})
    assert states(s3, layout) == {
        "a": (State.UNSURE, State.MISSING),
        "a.csv": (State.UNSURE, State.PREDICTED),
    }


def test_an_output_in_a_folder_of_reports_is_found_by_asking(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p")
    put_output(s3, layout, "_failed/a.json", put_input(s3, "_failed/a.json"), 9)
    put_input(s3, "a")  # its report would stand where that output is
    found = states(s3, layout)
    assert found["_failed/a.json"] == (State.UNSURE, State.PREDICTED)
    assert found["a"][1] is State.MISSING


def test_with_a_template_that_names_the_version_inputs_are_asked_for(s3: "S3Client") -> None:
    layout = Layout(OUTPUT, "p", output_template="{output_key}/{version_id}/{etag}/{key}")
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    etag = put_input(s3, "a")
    version_id = s3.head_object(Bucket=INPUT, Key="a")["VersionId"]
    metadata = InputVersion(S3Uri(INPUT, "a"), etag, version_id, None).metadata()
    put(s3, OUTPUT, f"p/{version_id}/{etag}/a", b"", 9, **metadata, **{"model-sha256": MODEL})
    (one,) = find(s3, INPUT, "", layout)
    assert listed_state(one) is State.UNSURE
    assert Inquiry(s3, INPUT, layout, MODEL).state(one) is State.PREDICTED


def test_the_messages_of_a_run_arrive_as_one_group(
    s3: "S3Client", clients: tuple["S3Client", "SQSClient"]
) -> None:
    _, sqs = clients
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    keys = {f"{number}.csv" for number in range(25)}
    for key in keys:
        put_input(s3, key)
    submission = Submission(INPUT, OUTPUT, "p", "r1", {"KEEP_COLUMNS": "*"})
    bodies = map(submission.body, list_objects(s3, INPUT, ""))
    assert sum(Sender(sqs, queue, "r1").send(bodies)) == len(keys)
    received = {}
    while messages := sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            job = Job.parse(message["Body"])
            received[job.key] = job.run, message["Attributes"]["MessageGroupId"], job.settings
    assert received == dict.fromkeys(keys, ("r1", "r1", {"KEEP_COLUMNS": "*"}))

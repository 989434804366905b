from pathlib import Path

import pytest

from tests.support.scenario import Endpoint, drain_ten, model_file


async def test_ten_messages_in_the_origins_format_are_drained(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    await drain_ten(endpoint, tmp_path)


async def test_a_missing_variable_ends_the_start_with_status_2(endpoint: Endpoint) -> None:
    ended = await endpoint.worker(WORKER_QUEUE="")
    assert ended.status == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["error"] * 2 + ["help"]
    assert "WORKER_QUEUE is required" in ended.stderr
    assert "WORKER_MODEL is required" in ended.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"WORKER_QUEUE": "nowhere"}, "nowhere"),
        ({"WORKER_QUEUE": "arn:aws:sqs:eu-central-1:123456789012:nowhere"}, "nowhere"),
        ({"WORKER_MODEL": "s3://jobs-in/nothing.pkl"}, "s3://jobs-in/nothing.pkl"),
        ({"WORKER_MODEL": "s3://no-such-bucket/model.pkl"}, "s3://no-such-bucket/model.pkl"),
        ({"WORKER_MODEL": "nothing.pkl"}, "nothing.pkl"),
        ({"WORKER_MODEL_SHA256": "0" * 64}, "0" * 64),
    ],
)
async def test_what_cannot_be_used_ends_the_start_with_status_1_and_one_line(
    endpoint: Endpoint, tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    endpoint.submit("a.csv", b"id,x\n1,2\n")
    ended = await endpoint.worker(**{"WORKER_MODEL": str(model_file(tmp_path))} | changes)
    assert ended.status == 1
    (line,) = ended.events
    assert ended.stderr.count("\n") == 1
    assert line["event"] == "worker failed"
    assert named in str(line["error"])
    assert endpoint.left(endpoint.queue) == 1


async def test_settings_that_contradict_the_queue_end_the_start_with_status_2(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    ended = await endpoint.worker(
        WORKER_MODEL=str(model_file(tmp_path)), WORKER_HEARTBEAT_SECONDS="20"
    )
    assert ended.status == 2
    assert "WORKER_HEARTBEAT_SECONDS (20)" in ended.stderr


async def test_an_unreadable_message_is_dead_lettered_with_its_reason(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody="nonsense")
    ended = await endpoint.worker(WORKER_MODEL=str(model_file(tmp_path)))
    assert ended.status == 0
    (rejected,) = [
        line for line in ended.events if line["event"] == "job rejected, dead letter sent"
    ]
    assert rejected["error_type"] == "UnreadableBody"
    left = ended.events[-1]
    assert (left["event"], left["reason"], left["files"]) == ("worker left", "idle", 0)
    assert left["failures"] == {"UnreadableBody": 1}
    assert left["dollars"] == "unknown"
    assert "Traceback" not in ended.stderr
    assert endpoint.left(endpoint.queue) == 0
    (dead,) = endpoint.sqs.receive_message(
        QueueUrl=endpoint.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    assert dead["Body"] == "nonsense"
    assert dead["MessageAttributes"]["error_type"]["StringValue"] == "UnreadableBody"
